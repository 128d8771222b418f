//! The relay: one thread, one poll, for everything.
//!
//! Commands come as JSON lines over stdin, each with an `id` that its reply repeats:
//! `expect`, `listening`, `open`, `run`, `close`, `quit`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};

use crate::Failure;
use crate::conn::{Chunk, Conn, Scratch};
use crate::http::{self, Head};
use crate::leg::{Leg, Pumped, State};
use crate::run::{Clock, Kind, Phase, Run};
use crate::scanner::Scan;
use crate::tls;
use crate::wire;

const COMMANDS: Token = Token(0);
const PLAIN: Token = Token(1);
const SECURE: Token = Token(2);
const FIRST_LEG: usize = 3;
/// Accepts that may be under way while sockets are opened.
const OPENING: usize = 32;
/// Reads from one leg before the others get their turn.
const TURNS: usize = 8;
/// How often a fixed rate is topped up.
const TICK: u64 = 1_000_000;
const SEND_BUFFER: usize = 2 * 1024 * 1024;
/// How long the end of a run may take.
const DRAIN: u64 = 20_000_000_000;

#[derive(Default)]
struct Peer {
    name: String,
    control: Option<usize>,
    legs: Vec<usize>,
    deflate: bool,
    asked: u64,
    /// Reply to the `listening` command.
    listening: Option<Value>,
    /// Reply to the `open` command, and how many sockets it wants.
    open: Option<(Value, usize)>,
    opening: usize,
    close: Option<Value>,
    /// When accepts of short-lived connections were sent.
    accepts: HashMap<u64, u64>,
}

struct Relay {
    poll: Poll,
    plain: TcpListener,
    secure: TcpListener,
    plain_address: SocketAddr,
    secure_address: SocketAddr,
    tls: Arc<ServerConfig>,
    commands: Receiver<Value>,
    legs: Vec<Option<Box<Leg>>>,
    free: Vec<usize>,
    peers: Vec<Peer>,
    run: Option<Run>,
    /// Legs with more to read or write than one turn.
    ready: Vec<usize>,
    timers: BinaryHeap<Reverse<(u64, usize)>>,
    clock: Clock,
    scratch: Option<Scratch>,
}

pub fn serve(ca_file: &str) -> Result<(), Failure> {
    let (tls, ca) = tls::server()?;
    std::fs::write(ca_file, ca)?;
    let poll = Poll::new()?;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut plain = TcpListener::bind(any)?;
    let mut secure = TcpListener::bind(any)?;
    poll.registry().register(&mut plain, PLAIN, Interest::READABLE)?;
    poll.registry().register(&mut secure, SECURE, Interest::READABLE)?;
    let waker = Arc::new(Waker::new(poll.registry(), COMMANDS)?);
    // A waker that is dropped takes with it the event that it has just caused.
    let kept = Arc::clone(&waker);
    let (plain_address, secure_address) = (plain.local_addr()?, secure.local_addr()?);

    let (sender, commands) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(command) => {
                    if sender.send(command).is_err() {
                        break;
                    }
                }
                Err(error) => reply(&json!({ "error": error.to_string() })),
            }
            let _ = waker.wake();
        }
        drop(sender);
        let _ = waker.wake();
    });

    reply(&json!({ "event": "ready", "ws": plain_address.to_string(), "wss": secure_address.to_string() }));
    let served = Relay {
        poll,
        plain,
        secure,
        plain_address,
        secure_address,
        tls,
        commands,
        legs: Vec::new(),
        free: Vec::new(),
        peers: Vec::new(),
        run: None,
        ready: Vec::new(),
        timers: BinaryHeap::new(),
        clock: Clock::new(),
        scratch: Some(Scratch::new()),
    }
    .serve();
    drop(kept);
    served
}

/// One line on stdout.
pub fn reply(value: &Value) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}

impl Relay {
    fn serve(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for index in std::mem::take(&mut self.ready) {
                self.service(index, true);
            }
            for event in &events {
                match event.token() {
                    COMMANDS => {
                        if !self.take_commands() {
                            return Ok(());
                        }
                    }
                    PLAIN => self.take_connections(false)?,
                    SECURE => self.take_connections(true)?,
                    Token(token) => self.service(token - FIRST_LEG, event.is_readable() || event.is_error()),
                }
            }
            self.on_time();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let run = self.run.as_ref()?;
        let now = self.clock.now();
        let mut at = run.until;
        if run.kind == Kind::Pace && run.is_sending() {
            at = at.min(now + TICK);
        }
        if let Some(Reverse((when, _))) = self.timers.peek() {
            at = at.min(*when);
        }
        (at != u64::MAX).then(|| Duration::from_nanos(at.saturating_sub(now)))
    }

    // --- commands ----------------------------------------------------------------------------------------------------

    fn take_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => match command.get("cmd").and_then(Value::as_str) {
                    Some("quit") => return false,
                    Some(name) => {
                        if let Err(error) = self.command(name, &command) {
                            reply(&json!({ "id": command.get("id"), "error": error }));
                        }
                    }
                    None => reply(&json!({ "error": "no cmd" })),
                },
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn command(&mut self, name: &str, command: &Value) -> Result<(), String> {
        let id = command.get("id").cloned().unwrap_or_default();
        let peer = self.peer(command.get("peer").and_then(Value::as_str).ok_or("no peer")?);
        match name {
            "expect" => {
                self.peers[peer].deflate = command.get("deflate").and_then(Value::as_bool).unwrap_or(false);
                reply(&json!({ "id": id }));
            }
            "listening" => {
                self.peers[peer].listening = Some(id);
                self.tell_listening(peer);
            }
            "open" => {
                let sockets = command.get("sockets").and_then(Value::as_u64).ok_or("no sockets")? as usize;
                let direct = command.get("direct").and_then(Value::as_bool).unwrap_or(false);
                self.peers[peer].open = Some((id, sockets));
                self.peers[peer].opening = if direct { usize::MAX } else { 0 };
                self.go_on_opening(peer);
            }
            "run" => {
                if self.run.is_some() {
                    return Err("another run is under way".into());
                }
                let run = Run::new(command, peer)?;
                self.start(run);
            }
            "close" => {
                self.peers[peer].close = Some(id);
                for index in self.peers[peer].legs.clone() {
                    self.with_leg(index, |leg| leg.push_close());
                }
                self.tell_closed(peer);
            }
            _ => return Err(format!("unknown command {name}")),
        }
        Ok(())
    }

    fn peer(&mut self, name: &str) -> usize {
        if let Some(index) = self.peers.iter().position(|peer| peer.name == name) {
            return index;
        }
        self.peers.push(Peer { name: name.to_string(), ..Peer::default() });
        self.peers.len() - 1
    }

    fn tell_listening(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        if peer.control.is_some()
            && let Some(id) = peer.listening.take()
        {
            reply(&json!({ "id": id }));
        }
    }

    fn tell_closed(&mut self, peer: usize) {
        let peer = &mut self.peers[peer];
        if peer.legs.is_empty()
            && let Some(id) = peer.close.take()
        {
            reply(&json!({ "id": id }));
        }
    }

    fn go_on_opening(&mut self, peer: usize) {
        let Some((_, wanted)) = self.peers[peer].open else { return };
        if self.peers[peer].legs.len() >= wanted {
            if let Some((id, _)) = self.peers[peer].open.take() {
                reply(&json!({ "id": id, "sockets": wanted }));
            }
            return;
        }
        // In direct mode the peer dials by itself.
        while self.peers[peer].opening < OPENING
            && self.peers[peer].legs.len() + self.peers[peer].opening < wanted
        {
            self.peers[peer].opening += 1;
            self.accept(peer, false);
        }
    }

    /// Tells the listener that a sender is there.
    fn accept(&mut self, peer: usize, churn: bool) {
        let now = self.clock.now();
        let Some(control) = self.peers[peer].control else { return };
        let secure = self.legs.get(control).and_then(Option::as_ref).is_some_and(|leg| leg.secure);
        let (scheme, address) =
            if secure { ("wss", self.secure_address) } else { ("ws", self.plain_address) };
        let peer = &mut self.peers[peer];
        peer.asked += 1;
        let number = peer.asked;
        let mut url = format!("{scheme}://{address}/$hc/{}?sb-hc-action=accept&sb-hc-id={number}", peer.name);
        if churn {
            url += "&churn=1";
            peer.accepts.insert(number, now);
        }
        let mut headers = json!({
            "Host": address.to_string(),
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        });
        if peer.deflate {
            headers["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits".into();
        }
        let message = json!({ "accept": {
            "address": url,
            "id": number.to_string(),
            "connectHeaders": headers,
            "remoteEndpoint": { "address": "127.0.0.1", "port": 50000 },
        } });
        self.with_leg(control, |leg| leg.push_text(&message.to_string()));
    }

    // --- a run's course ----------------------------------------------------------------------------------------------

    fn start(&mut self, mut run: Run) {
        let peer = run.peer;
        let legs = self.peers[peer].legs.clone();
        let deflates =
            |index: &usize| self.legs.get(*index).and_then(Option::as_ref).is_some_and(|leg| leg.deflate);
        if run.deflate && !legs.iter().all(deflates) {
            return reply(&json!({ "id": run.id, "error": "the peer does not offer permessage-deflate" }));
        }
        for (at, index) in legs.iter().enumerate() {
            let flood = run.flood && at == 0;
            let role = run.role(flood);
            if role.is_some() {
                run.missing += 1;
            }
            if let Some(leg) = self.legs.get_mut(*index).and_then(Option::as_mut) {
                leg.flood = flood;
                leg.sent = 0;
                leg.in_flight.clear();
                if let Some(role) = role {
                    leg.push_text(&role);
                }
            }
        }
        self.timers.clear();
        let ready = run.missing == 0;
        run.until = self.clock.now() + DRAIN;
        self.run = Some(run);
        for index in legs {
            self.service(index, false);
        }
        if ready {
            self.warm_up();
        }
    }

    fn warm_up(&mut self) {
        let now = self.clock.now();
        let Some(run) = &mut self.run else { return };
        run.start_warm(now);
        let (peer, kind) = (run.peer, run.kind);
        match kind {
            Kind::Churn => {
                let wanted = if run.direct { 0 } else { run.concurrency };
                for _ in 0..wanted {
                    if let Some(run) = &mut self.run {
                        run.under_way += 1;
                    }
                    self.accept(peer, true);
                }
            }
            _ => self.begin_sending(),
        }
    }

    /// Gives every leg its first messages of a phase.
    fn begin_sending(&mut self) {
        let Some(run) = &self.run else { return };
        let (peer, kind, window, frame_len) = (run.peer, run.kind, run.window, run.block.frame_len as u64);
        let now = self.clock.now();
        for index in self.peers[peer].legs.clone() {
            self.with_leg(index, |leg| match kind {
                Kind::Receive => leg.to_send = u64::MAX,
                Kind::Echo if leg.flood => leg.to_send = u64::MAX,
                Kind::Echo => {
                    leg.to_send += window * frame_len;
                    leg.in_flight.push_back((now, window));
                }
                Kind::Pace | Kind::Send | Kind::Churn => {}
            });
        }
    }

    /// Ends a phase whose messages the peer counts: it says how many when it gets to the marker.
    fn ask_for_counts(&mut self, marker: &str) {
        let Some(run) = &mut self.run else { return };
        let (peer, frame_len) = (run.peer, run.block.frame_len);
        let legs = self.peers[peer].legs.clone();
        run.missing = legs.len();
        for index in legs {
            self.with_leg(index, |leg| {
                leg.stop_sending(frame_len);
                leg.push_text(marker);
            });
        }
    }

    fn on_time(&mut self) {
        let Some(run) = &mut self.run else { return };
        let now = self.clock.now();
        let (kind, peer) = (run.kind, run.peer);
        if now >= run.until {
            match (run.phase, kind) {
                (Phase::Warm, Kind::Receive | Kind::Pace) => {
                    run.phase = Phase::WarmEnd;
                    run.until = now + DRAIN;
                    self.ask_for_counts("end");
                }
                (Phase::Warm, _) => run.start_measure(now),
                (Phase::Measure, Kind::Receive | Kind::Pace) => {
                    run.phase = Phase::End;
                    run.until = now + DRAIN;
                    self.ask_for_counts("end");
                }
                (Phase::Measure, _) => {
                    run.measured(now);
                    run.phase = Phase::End;
                    run.until = now + DRAIN;
                    self.wind_down();
                }
                _ => {
                    let what = format!("{kind:?}: {:?} took too long", run.phase);
                    self.fail(&what);
                }
            }
            return;
        }
        if kind == Kind::Pace && run.is_sending() {
            let (due, frame_len) = (run.due(now), run.block.frame_len as u64);
            let legs = self.peers[peer].legs.clone();
            for (at, index) in legs.iter().enumerate() {
                // Every so manyth message is this leg's.
                let until = |number: u64| number.saturating_sub(at as u64).div_ceil(legs.len() as u64);
                let messages = until(due.end) - until(due.start);
                if messages > 0 {
                    self.with_leg(*index, |leg| leg.to_send += messages * frame_len);
                }
            }
        }
        while let Some(Reverse((when, index))) = self.timers.peek().copied() {
            if when > now {
                break;
            }
            self.timers.pop();
            let Some(run) = &self.run else { return };
            let (frame_len, sending) = (run.block.frame_len as u64, run.is_sending());
            if sending {
                self.with_leg(index, |leg| {
                    leg.to_send += frame_len;
                    leg.in_flight.push_back((now, 1));
                });
            }
        }
    }

    /// Stops what is being sent, and waits for what is under way.
    fn wind_down(&mut self) {
        let Some(run) = &mut self.run else { return };
        let (peer, kind, frame_len) = (run.peer, run.kind, run.block.frame_len);
        self.timers.clear();
        match kind {
            Kind::Send => self.ask_for_counts("stop"),
            Kind::Echo if run.flood => {
                run.missing = 1;
                if let Some(flooded) = self.peers[peer].legs.first().copied() {
                    self.with_leg(flooded, |leg| {
                        leg.stop_sending(frame_len);
                        leg.push_text("end");
                    });
                }
            }
            _ => {}
        }
        self.finish_if_done();
    }

    fn finish_if_done(&mut self) {
        let Some(run) = &self.run else { return };
        if run.phase != Phase::End {
            return;
        }
        let done = match run.kind {
            // The leg that is being served is not in the table, and has nothing under way when this is asked.
            Kind::Echo if run.missing == 0 => self.peers[run.peer]
                .legs
                .iter()
                .filter_map(|index| self.legs.get(*index)?.as_deref())
                .all(|leg| leg.in_flight.is_empty()),
            Kind::Echo => false,
            Kind::Churn => run.direct || run.under_way == 0,
            Kind::Send | Kind::Receive | Kind::Pace => run.missing == 0,
        };
        if !done {
            return;
        }
        if run.kind == Kind::Echo
            && !self.peers[run.peer].deflate
            && run.all_bytes != run.all * run.size as u64
        {
            let what = format!("{} messages of {} bytes came back as {}", run.all, run.size, run.all_bytes);
            return self.fail(&what);
        }
        if run.kind == Kind::Send && run.told != run.all {
            let what = format!("the peer sent {} messages, {} arrived", run.told, run.all);
            return self.fail(&what);
        }
        if let Some(run) = self.run.take() {
            reply(&run.reply());
        }
    }

    fn fail(&mut self, what: &str) {
        if let Some(run) = self.run.take() {
            reply(&json!({ "id": run.id, "error": what }));
        }
    }

    // --- connections -------------------------------------------------------------------------------------------------

    fn take_connections(&mut self, secure: bool) -> Result<(), Failure> {
        loop {
            let listener = if secure { &self.secure } else { &self.plain };
            let mut socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            socket.set_nodelay(true)?;
            // Some systems pace what they send (bbr), which on loopback measures nothing but their timers.
            #[cfg(target_os = "linux")]
            let _ = rustix::net::sockopt::set_tcp_congestion(&socket, "cubic");
            // Enough for the peer to go on with while this thread is woken.
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER);
            let index = self.free.pop().unwrap_or_else(|| {
                self.legs.push(None);
                self.legs.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut socket, Token(index + FIRST_LEG), interest)?;
            let tls = if secure { Some(ServerConnection::new(Arc::clone(&self.tls))?.into()) } else { None };
            self.legs[index] = Some(Box::new(Leg::new(Conn::new(socket, tls), secure)));
        }
    }

    fn with_leg(&mut self, index: usize, change: impl FnOnce(&mut Leg)) {
        if let Some(leg) = self.legs.get_mut(index).and_then(Option::as_mut) {
            change(leg);
            self.service(index, false);
        }
    }

    /// Reads what there is and writes what can be written.
    fn service(&mut self, index: usize, read: bool) {
        let Some(mut leg) = self.legs.get_mut(index).and_then(Option::take) else { return };
        let result = self.read_and_write(index, &mut leg, read);
        match result {
            Ok(true) => self.legs[index] = Some(leg),
            Ok(false) => self.gone(index, leg),
            Err(error) => {
                // A peer that has been stopped just goes away.
                if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) {
                    eprintln!("loadgen: {error}");
                }
                self.gone(index, leg);
            }
        }
    }

    fn read_and_write(&mut self, index: usize, leg: &mut Leg, read: bool) -> io::Result<bool> {
        if read && !self.read(index, leg)? {
            return Ok(false);
        }
        if let Pumped::Again = leg.pump(self.run.as_ref().map(|run| &run.block))? {
            self.ready.push(index);
        }
        Ok(true)
    }

    fn read(&mut self, index: usize, leg: &mut Leg) -> io::Result<bool> {
        let mut scratch = self.scratch.take().unwrap_or_else(Scratch::new);
        let mut alive = true;
        for turn in 1..=TURNS {
            match leg.conn.read(&mut scratch)? {
                Chunk::Empty => break,
                Chunk::End => alive = false,
                Chunk::Data { bytes, more } => {
                    alive = self.on_bytes(index, leg, bytes);
                    if alive && more && turn == TURNS {
                        self.ready.push(index);
                    }
                    if more && alive {
                        continue;
                    }
                }
            }
            break;
        }
        self.scratch = Some(scratch);
        Ok(alive)
    }

    /// Whether the connection goes on.
    fn on_bytes(&mut self, index: usize, leg: &mut Leg, bytes: &[u8]) -> bool {
        if let State::Opening(request) = &mut leg.state {
            request.extend_from_slice(bytes);
            if let Some(head) = Head::parse(request) {
                self.on_request(index, leg, &head);
            }
            return true;
        }
        let mut scan = Scan::default();
        leg.scanner.feed(bytes, &mut scan);
        for payload in &scan.pings {
            leg.push_pong(payload);
        }
        if let Some(what) = scan.broken {
            eprintln!("loadgen: {what}");
            return false;
        }
        if matches!(leg.state, State::Data) {
            // A text that comes with messages answers for them.
            if scan.messages > 0 || scan.bytes > 0 {
                self.on_messages(index, leg, &scan);
            }
            for text in &scan.texts {
                self.on_text(leg, text);
            }
        }
        if scan.closed {
            let churned = leg.churn.take();
            leg.push_close();
            let _ = leg.pump(None);
            leg.conn.send_close_notify();
            if let Some(since) = churned {
                self.on_churned(leg.peer, since);
            }
            return false;
        }
        true
    }

    fn on_request(&mut self, index: usize, leg: &mut Leg, head: &Head) {
        let target = head.target();
        leg.peer = self.peer(http::entity(target));
        let peer = &mut self.peers[leg.peer];
        leg.deflate = peer.deflate && http::offers_deflate(head);
        leg.push(http::switching_protocols(head, leg.deflate).as_bytes());
        if http::query(target, "sb-hc-action") == Some("listen") {
            leg.state = State::Control;
            peer.control = Some(index);
            self.tell_listening(leg.peer);
            return;
        }
        leg.state = State::Data;
        if http::query(target, "churn").is_some() {
            let number = http::query(target, "sb-hc-id").and_then(|number| number.parse().ok());
            let asked = number.and_then(|number: u64| peer.accepts.remove(&number));
            leg.churn = Some(asked.unwrap_or_else(|| self.clock.now()));
            let mut message = Vec::new();
            wire::frame(&mut message, 0x82, &[7; 32], None);
            leg.push(&message);
            return;
        }
        peer.legs.push(index);
        peer.opening = peer.opening.saturating_sub(1);
        self.go_on_opening(leg.peer);
    }

    fn on_text(&mut self, leg: &mut Leg, text: &str) {
        let Some(run) = &mut self.run else { return };
        if run.missing == 0 {
            return;
        }
        run.missing -= 1;
        run.told += text.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        if run.phase == Phase::Roles && run.text && run.kind == Kind::Echo {
            leg.scanner.keep_texts = false;
        }
        if run.missing > 0 {
            return;
        }
        let now = self.clock.now();
        match run.phase {
            Phase::Roles => {
                // Begins with the next turn, when this leg is in its place again.
                run.start_warm(now);
                let peer = run.peer;
                if run.kind != Kind::Churn {
                    self.begin_sending();
                    self.begin_here(leg);
                }
                self.ready.extend_from_slice(&self.peers[peer].legs);
            }
            Phase::WarmEnd => {
                run.start_measure(now);
                self.begin_sending();
                self.begin_here(leg);
            }
            Phase::End => {
                if run.peer_counts() {
                    run.measured(now);
                }
                self.finish_if_done();
            }
            _ => {}
        }
    }

    /// [`Self::begin_sending`] for the leg that is being served, which is not in the table meanwhile.
    fn begin_here(&self, leg: &mut Leg) {
        let Some(run) = &self.run else { return };
        match run.kind {
            Kind::Receive => leg.to_send = u64::MAX,
            Kind::Echo if leg.flood => leg.to_send = u64::MAX,
            Kind::Echo => {
                leg.to_send += run.window * run.block.frame_len as u64;
                leg.in_flight.push_back((self.clock.now(), run.window));
            }
            _ => {}
        }
    }

    fn on_messages(&mut self, index: usize, leg: &mut Leg, scan: &Scan) {
        if leg.churn.is_some() {
            if scan.messages > 0 {
                leg.push_close();
            }
            return;
        }
        let Some(run) = &mut self.run else { return };
        run.all += scan.messages;
        run.all_bytes += scan.bytes;
        run.messages += scan.messages;
        run.bytes += scan.bytes;
        if run.kind != Kind::Echo {
            return;
        }
        let now = self.clock.now();
        let mut left = scan.messages;
        while left > 0 {
            let Some((at, count)) = leg.in_flight.front_mut() else { break };
            let taken = left.min(*count);
            run.meter.latency.saturating_record_n(now.saturating_sub(*at), taken);
            left -= taken;
            *count -= taken;
            if *count == 0 {
                leg.in_flight.pop_front();
            }
        }
        if run.is_sending() {
            if scan.messages > 0 && run.gap == 0 {
                leg.to_send += scan.messages * run.block.frame_len as u64;
                leg.in_flight.push_back((now, scan.messages));
            } else if scan.messages > 0 {
                self.timers.push(Reverse((now + run.gap, index)));
            }
        } else if leg.in_flight.is_empty() {
            self.finish_if_done();
        }
    }

    fn on_churned(&mut self, peer: usize, since: u64) {
        let now = self.clock.now();
        let Some(run) = self.run.as_mut().filter(|run| run.peer == peer && run.kind == Kind::Churn) else {
            return;
        };
        run.messages += 1;
        run.meter.latency.saturating_record(now.saturating_sub(since));
        if run.direct {
            return;
        }
        run.under_way = run.under_way.saturating_sub(1);
        if run.is_sending() {
            run.under_way += 1;
            self.accept(peer, true);
        } else {
            self.finish_if_done();
        }
    }

    fn gone(&mut self, index: usize, mut leg: Box<Leg>) {
        let _ = self.poll.registry().deregister(&mut leg.conn.socket);
        self.free.push(index);
        if matches!(leg.state, State::Opening(_)) {
            return;
        }
        let peer = &mut self.peers[leg.peer];
        if peer.control == Some(index) {
            peer.control = None;
        }
        let had = peer.legs.len();
        peer.legs.retain(|other| *other != index);
        if peer.legs.len() < had && self.run.as_ref().is_some_and(|run| run.peer == leg.peer) {
            self.fail("a connection was lost");
        }
        self.tell_closed(leg.peer);
    }
}
