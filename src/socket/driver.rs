//! The task of one socket: opens it, then moves bytes between the connection, the codec and the delivery queue.
//!
//! One `poll` does everything that can be done without waiting: write, read within a budget, look at the clock. All
//! sockets of an IO thread share its buffers, so an idle socket holds none.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};

use super::compression::Compression;
use super::delivery::{Batch, Delivery, Kind, Owner};
use super::link::{Link, ReadError, ReadStep, Scratch};
use super::{Ending, KeepAlive, Masking, Outline, Socket};
use crate::error::{ErrorKind, RelayError};
use crate::frame::{
    Decoder, DecoderOptions, Deflate, DeflateParams, FrameError, Inflate, MaskKeys, OpCode, Payload, Role,
    Sink,
};
use crate::transport::body::read_body;
use crate::transport::{self, DialRequest, Opened, ResponseHead};

/// Reads of one socket before the others get their turn.
const READ_BUDGET: u32 = 8;
/// Bytes of one socket that are compressed before the others get their turn; one message is never divided.
const COMPRESS_BUDGET: usize = 256 * 1024;
/// What is kept of the buffer that messages are compressed into.
const SPARE_DEFLATED: usize = 256 * 1024;

/// How a socket is to be opened.
pub struct Opening {
    /// Where to, and with which request.
    pub request: DialRequest,
    /// The subprotocols that the request offers.
    pub protocols: Vec<String>,
    /// What the request says about permessage-deflate.
    pub compression: Option<Compression>,
    /// How hard to compress, 0 to 9.
    pub level: u8,
}

/// What the threads of a socket's task share among all of their sockets.
struct IoThread {
    scratch: Scratch,
    batch: Batch,
    keys: MaskKeys,
    deflated: Vec<u8>,
}

thread_local! {
    static IO: RefCell<IoThread> = RefCell::new(IoThread {
        scratch: Scratch::default(),
        batch: Batch::default(),
        keys: MaskKeys::default(),
        deflated: Vec::new(),
    });
}

/// Opens `socket` and drives it until it is gone. Everything it has to say goes to its delivery queue.
pub fn run(socket: Arc<Socket>, opening: Opening) -> impl Future<Output = ()> + Send {
    // Boxed, so that the long life of an idle socket does not carry the size of its opening.
    let opening = Box::pin(open(Arc::clone(&socket), opening));
    async move {
        let cause = match opening.await {
            Some(mut driver) => poll_fn(|cx| driver.poll(cx)).await,
            None => Cause::None,
        };
        bury(&socket, cause);
    }
}

/// The last thing that is said of a socket.
fn bury(socket: &Socket, cause: Cause) {
    let mut side = socket.side();
    let unwritten = side.outgoing.len();
    side.link = None;
    side.outgoing = Default::default();
    side.waker = None;
    drop(side);
    let mut batch = Batch::default();
    batch.push_count(socket.slot, Kind::Closed, cause as u16, unwritten.try_into().unwrap_or(u32::MAX));
    socket.delivery.push(&mut batch, None);
}

/// What a connection broke of, as `lib/relayed-socket.js` numbers it.
#[derive(Clone, Copy)]
enum Cause {
    /// Nothing: it was ended in order, or by JavaScript.
    None = 0,
    Reset = 1,
    Pipe = 2,
    Timeout = 3,
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Cause::Pipe,
            io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Reset,
        }
    }
}

/// The head of an answer and what was agreed, as JavaScript gets it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenReport<'a> {
    response: &'a ResponseHead,
    protocol: Option<&'a str>,
    extensions: Option<DeflateParams>,
    forgets: bool,
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    secure: bool,
}

/// An answer that is not an upgrade, and what it means where the relay gave it.
#[derive(Serialize)]
struct AnswerReport<'a> {
    response: &'a ResponseHead,
    error: crate::error::ErrorReport<'a>,
}

#[derive(Serialize)]
struct FailReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a ResponseHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<crate::error::ErrorReport<'a>>,
}

/// Dials; `None` where no WebSocket came of it, which has then been reported.
async fn open(socket: Arc<Socket>, opening: Opening) -> Option<Box<Driver>> {
    let socket = &socket;
    let dial = Box::pin(async { transport::open(&opening.request).await });
    let opened = match unless_terminated(socket, dial).await? {
        Ok(opened) => opened,
        Err(error) => {
            report_failure(socket, None, None, Some(&error));
            return None;
        }
    };
    if !opened.response.is_upgrade() {
        Box::pin(answer(socket, opened, opening.request.handshake_timeout)).await;
        return None;
    }
    let offered = opening.compression.is_some();
    let checked = transport::check_upgrade(&opened.response, &opened.key, &opening.protocols, offered);
    let agreed = checked.and_then(|negotiated| {
        let answer = opening.compression.as_ref().zip(negotiated.extensions.as_deref());
        let agreed = answer.map(|(compression, header)| compression.agree(header)).transpose()?;
        Ok((negotiated.protocol, agreed))
    });
    let (protocol, agreed) = match agreed {
        Ok(agreed) => agreed,
        Err(reason) => {
            report_failure(socket, Some(&opened.response), Some(reason), None);
            return None;
        }
    };
    let (tcp, tls) = opened.stream.into_parts();
    let report = OpenReport {
        response: &opened.response,
        protocol: protocol.as_deref(),
        extensions: agreed.map(|agreed| agreed.params),
        forgets: agreed.is_some_and(|agreed| agreed.forgets()),
        local: tcp.local_addr().ok(),
        remote: tcp.peer_addr().ok(),
        secure: tls.is_some(),
    };
    let link = Arc::new(Link::new(tcp, tls, socket.tuning));
    // Before JavaScript hears of it: what it sends in `open` is to go out at once.
    socket.side().link = Some(Arc::clone(&link));
    push_json(&socket.delivery, socket.slot, Kind::Open, &report);
    let options = &socket.options;
    let decoder = Decoder::new(DecoderOptions {
        role: Role::Client,
        max_payload: options.max_payload,
        max_fragments: options.max_fragments,
        skip_utf8: options.skip_utf8,
        inflate: agreed.map(|agreed| Inflate::new(agreed.role, &agreed.params)),
        large: super::delivery::LARGE,
    });
    Some(Box::new(Driver {
        socket: Arc::clone(socket),
        link,
        decoder,
        deflate: agreed.map(|agreed| Deflate::new(agreed.role, &agreed.params, opening.level)),
        early: Some(opened.leftover),
        ended: false,
        shut: false,
        pulse: options.keep_alive.map(Pulse::new),
        timer: None,
    }))
}

/// The server answered, but not with an upgrade. JavaScript says whether it wants the body.
/// As in ws, `limit` is the handshake's, and holds for each wait for a piece of it.
async fn answer(socket: &Arc<Socket>, opened: Opened, limit: Option<Duration>) {
    let refusal = RelayError::refused(opened.response.status, &opened.response.reason);
    let report = AnswerReport { response: &opened.response, error: refusal.report() };
    push_json(&socket.delivery, socket.slot, Kind::Response, &report);
    let asked = poll_fn(|cx| {
        socket.task.register(cx.waker());
        let side = socket.side();
        if side.wants_body || side.ending != Ending::No {
            Poll::Ready(side.wants_body)
        } else {
            Poll::Pending
        }
    });
    if !asked.await {
        return;
    }
    // A body that cannot be read is no different from one that breaks off.
    let Ok(mut body) = read_body(opened.stream, &opened.response, opened.leftover, usize::MAX) else {
        return;
    };
    // What is here already is the reader's, even where the attempt has been given up meanwhile.
    let Ok((early, mut done)) = body.early() else { return };
    push_body(socket, early);
    while !done {
        let room = poll_fn(|cx| {
            socket.task.register(cx.waker());
            if socket.may_read() { Poll::Ready(()) } else { Poll::Pending }
        });
        if unless_terminated(socket, Box::pin(room)).await.is_none() {
            return;
        }
        match unless_terminated(socket, Box::pin(transport::within(limit, body.chunk()))).await {
            Some(Ok(Some(chunk))) => push_body(socket, chunk),
            Some(Ok(None)) => done = true,
            Some(Err(error)) if error.kind == ErrorKind::Timeout => {
                return report_failure(socket, None, None, Some(&error));
            }
            None | Some(Err(_)) => return,
        }
    }
    socket.delivery.push_one(socket.slot, Kind::BodyEnd, 0, &[]);
}

fn push_body(socket: &Arc<Socket>, chunk: Vec<u8>) {
    if !chunk.is_empty() {
        let mut batch = Batch::default();
        batch.push_owned(socket.slot, Kind::Body, 0, chunk);
        push(socket, &mut batch);
    }
}

/// Waits for `future`, or until JavaScript terminates the socket.
async fn unless_terminated<F: Future>(socket: &Socket, mut future: Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| {
        socket.task.register(cx.waker());
        if socket.side().ending == Ending::Terminate {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

fn report_failure(
    socket: &Socket,
    response: Option<&ResponseHead>,
    handshake: Option<&str>,
    error: Option<&RelayError>,
) {
    let report = FailReport { response, handshake, error: error.map(RelayError::report) };
    push_json(&socket.delivery, socket.slot, Kind::Failed, &report);
}

fn push_json(delivery: &Delivery, slot: u32, kind: Kind, value: &impl Serialize) {
    // Strings and numbers only: this cannot fail, and an empty payload would still be a valid record.
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut batch = Batch::default();
    batch.push_owned(slot, kind, 0, json);
    delivery.push(&mut batch, None);
}

/// Hands a batch over on the socket's account.
fn push(socket: &Arc<Socket>, batch: &mut Batch) {
    if !batch.is_empty() {
        socket.newest.store(batch.weight(), Ordering::Relaxed);
        socket.inbound.fetch_add(batch.weight(), Ordering::SeqCst);
        socket.delivery.push(batch, Some(Arc::clone(socket) as Arc<dyn Owner>));
    }
}

struct Driver {
    socket: Arc<Socket>,
    link: Arc<Link>,
    decoder: Decoder,
    deflate: Option<Deflate>,
    /// Bytes that came with the handshake's answer, until they have been decoded.
    early: Option<Vec<u8>>,
    /// The peer has ended its side.
    ended: bool,
    /// We have ended ours.
    shut: bool,
    pulse: Option<Pulse>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        self.socket.task.register(cx.waker());
        IO.with_borrow_mut(|io| {
            let step = self.step(cx, io);
            push(&self.socket, &mut io.batch);
            match step {
                Err(cause) => Poll::Ready(cause),
                Ok(()) if self.ended && self.shut => Poll::Ready(Cause::None),
                Ok(()) => Poll::Pending,
            }
        })
    }

    fn step(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        self.read(cx, io)?;
        self.tick(cx, io)?;
        self.compress(cx, io);
        self.write(cx, io)
    }

    fn read(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        if let Some(mut early) = self.early.take() {
            let mut sink = Collector::new(&self.socket, &mut io.batch);
            let decoded = self.decoder.decode(&mut early, &mut sink).map_err(ReadError::from);
            let rest = self.link.read_early(&mut io.scratch, &mut self.decoder, &mut sink);
            self.digest(decoded.and(rest), io)?;
        }
        let mut budget = READ_BUDGET;
        while !self.ended && self.socket.may_read() {
            match self.link.poll_readable(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            // What the last read of this turn yields is handed over at its very end, by `poll`: JavaScript, once awake,
            // wants the lock that writing takes.
            push(&self.socket, &mut io.batch);
            let mut sink = Collector::new(&self.socket, &mut io.batch);
            let read = self.link.read(&mut io.scratch, &mut self.decoder, &mut sink);
            self.digest(read, io)?;
            budget -= 1;
        }
        Ok(())
    }

    /// Notes what a read came to.
    fn digest(&mut self, read: Result<ReadStep, ReadError>, io: &mut IoThread) -> Result<(), Cause> {
        let slot = self.socket.slot;
        match read {
            Ok(ReadStep::Blocked) => return Ok(()),
            Ok(ReadStep::Bytes) => {
                if let Some(pulse) = &mut self.pulse {
                    pulse.heard = Instant::now();
                }
            }
            Ok(ReadStep::End) => {
                self.ended = true;
                io.batch.push(slot, Kind::End, 0, &[]);
            }
            Err(ReadError::Frame(error)) => push_frame_error(&mut io.batch, slot, &error),
            Err(ReadError::Io(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Compresses what waits for it. The lock is not held meanwhile: JavaScript must never wait for a compressor.
    fn compress(&mut self, cx: &mut Context<'_>, io: &mut IoThread) {
        let Some(deflate) = &mut self.deflate else { return };
        let mut done = 0;
        while done < COMPRESS_BUDGET {
            let Some(waiting) = self.socket.side().outgoing.next_waiting() else { return };
            let outline = waiting.outline;
            let key = outline.mask.key(&mut io.keys);
            let payload = if outline.compress {
                io.deflated.clear();
                io.deflated.shrink_to(SPARE_DEFLATED);
                if deflate.compress(&waiting.payload, outline.fin, &mut io.deflated).is_err() {
                    self.socket.side().broken = Some(io::ErrorKind::Other.into());
                    return;
                }
                &io.deflated
            } else {
                &waiting.payload
            };
            self.socket.side().outgoing.append_compressed(outline, key, payload, waiting.payload.len());
            done += waiting.payload.len();
        }
        cx.waker().wake_by_ref();
    }

    fn write(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        let mut side = self.socket.side();
        if side.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            side.waker = Some(cx.waker().clone());
        }
        if side.ending == Ending::Terminate {
            return Err(Cause::None);
        }
        let receipts = side.write();
        if receipts > 0 {
            io.batch.push_count(self.socket.slot, Kind::Sent, 0, receipts);
        }
        if let Some(error) = side.broken.take() {
            return Err(error.into());
        }
        while side.ending == Ending::Shutdown && !self.shut && side.outgoing.is_empty() {
            self.shut = self.link.shutdown()?;
            if self.shut {
                io.batch.push(self.socket.slot, Kind::Shut, 0, &[]);
            } else if self.link.poll_writable(cx).is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the clock: the closing handshake's limit and the keep-alive.
    fn tick(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        loop {
            let mut due = self.socket.side().close_by;
            if let Some(pulse) = &mut self.pulse {
                let next = pulse.beat(&self.socket, &mut io.keys)?;
                due = Some(due.map_or(next, |due| due.min(next)));
            }
            let Some(due) = due else { return Ok(()) };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            if self.socket.side().close_by.is_some_and(|limit| limit <= Instant::now()) {
                return Err(Cause::None);
            }
        }
    }
}

/// The keep-alive of one socket.
struct Pulse {
    settings: KeepAlive,
    next: Instant,
    heard: Instant,
    listening: bool,
}

impl Pulse {
    fn new(settings: KeepAlive) -> Self {
        let now = Instant::now();
        Self { settings, next: now + settings.interval, heard: now, listening: true }
    }

    /// Pings if it is time to, and says when to look again; fails if the peer has been silent for too long.
    fn beat(&mut self, socket: &Arc<Socket>, keys: &mut MaskKeys) -> Result<Instant, Cause> {
        let now = Instant::now();
        let listening = socket.may_read();
        if !listening || !self.listening {
            // Nothing can be heard while we do not listen.
            self.heard = now;
        }
        self.listening = listening;
        let limit = (!self.settings.timeout.is_zero()).then(|| self.heard + self.settings.timeout);
        if limit.is_some_and(|limit| limit <= now) {
            return Err(Cause::Timeout);
        }
        if self.next <= now {
            self.next = now + self.settings.interval;
            let mut side = socket.side();
            if !side.closing && side.ending == Ending::No {
                let opcode = if self.settings.pong { OpCode::Pong } else { OpCode::Ping };
                let outline = Outline {
                    opcode,
                    fin: true,
                    rsv1: false,
                    compress: false,
                    mask: Masking::Random,
                    receipt: false,
                };
                side.outgoing.append(outline, Some(keys.next_key()), &[]);
            }
        }
        Ok(limit.map_or(self.next, |limit| limit.min(self.next)))
    }
}

/// Turns what the decoder finds into records.
struct Collector<'a> {
    socket: &'a Socket,
    batch: &'a mut Batch,
}

impl<'a> Collector<'a> {
    fn new(socket: &'a Socket, batch: &'a mut Batch) -> Self {
        batch.reserve();
        Self { socket, batch }
    }
}

impl Sink for Collector<'_> {
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]) {
        let slot = self.socket.slot;
        if binary && !fragments.is_empty() {
            let lengths: Vec<u8> = fragments.iter().flat_map(|length| length.to_le_bytes()).collect();
            self.batch.push(slot, Kind::Fragments, 0, &lengths);
        }
        let kind = if binary { Kind::Binary } else { Kind::Text };
        match payload {
            Payload::Borrowed(payload) => self.batch.push(slot, kind, 0, payload),
            Payload::Owned(payload) => self.batch.push_owned(slot, kind, 0, payload),
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Ping, 0, payload);
    }

    fn pong(&mut self, payload: &[u8]) {
        if payload.is_empty() && self.socket.options.keep_alive.is_some() {
            let pings = &self.socket.user_pings;
            if pings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_err()
            {
                return;
            }
        }
        self.batch.push(self.socket.slot, Kind::Pong, 0, payload);
    }

    fn close(&mut self, code: u16, reason: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Close, code, reason);
    }
}

fn push_frame_error(batch: &mut Batch, slot: u32, error: &FrameError) {
    let json = serde_json::to_vec(error).unwrap_or_default();
    batch.push_owned(slot, Kind::Error, 0, json);
}
