//! The least that a peer can do, to see how far the load generator goes: it turns headers round and copies payloads,
//! with a masking key of zero, one read and one write at a time.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::role::{Duty, Role};
use super::{Order, Setup, accept_address, take_orders};
use crate::Failure;
use crate::conn::{Chunk, Conn, Scratch};
use crate::http::{self, Head};
use crate::scanner::{Scan, Scanner};
use crate::wire;

const ORDERS: Token = Token(0);
const KEY: Option<[u8; 4]> = Some([0; 4]);
/// A socket that has more than this unsent is not read.
const HIGH_WATER: usize = 4 * 1024 * 1024;

struct Socket {
    conn: Conn,
    /// The response so far, until the socket is open.
    opening: Option<Vec<u8>>,
    control: bool,
    churn: Option<String>,
    scanner: Scanner,
    duty: Duty,
    out: Vec<u8>,
    out_at: usize,
    echo: Turn,
    frames: Vec<u8>,
}

/// Where in a frame that is being turned round.
#[derive(Default)]
struct Turn {
    head: Vec<u8>,
    left: u64,
}

struct Ceiling<'a> {
    setup: &'a Setup,
    poll: Poll,
    sockets: Vec<Option<Socket>>,
    free: Vec<usize>,
    orders: Receiver<Order>,
    churning: bool,
}

pub fn run(setup: &Setup) -> Result<(), Failure> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), ORDERS)?;
    let (sender, orders) = mpsc::channel();
    let mut ceiling = Ceiling { setup, poll, sockets: Vec::new(), free: Vec::new(), orders, churning: false };
    if let Some(url) = &setup.url {
        ceiling.dial(url, true, false)?;
    }
    take_orders(move |order| {
        let _ = sender.send(order);
        let _ = waker.wake();
    });
    ceiling.serve()
}

impl Ceiling<'_> {
    fn serve(&mut self) -> Result<(), Failure> {
        let mut events = Events::with_capacity(1024);
        let mut scratch = Scratch::new();
        let mut ready: Vec<usize> = Vec::new();
        loop {
            let timeout = if ready.is_empty() { None } else { Some(std::time::Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut due = std::mem::take(&mut ready);
            for event in &events {
                match event.token() {
                    ORDERS => self.take_orders()?,
                    Token(token) => due.push(token - 1),
                }
            }
            for index in due {
                let Some(mut socket) = self.sockets.get_mut(index).and_then(Option::take) else { continue };
                let mut accepts = Vec::new();
                let state = socket.turn(&mut scratch, &mut accepts);
                match state {
                    Ok(Some(again)) => {
                        if again {
                            ready.push(index);
                        }
                        self.sockets[index] = Some(socket);
                    }
                    _ => {
                        let _ = self.poll.registry().deregister(&mut socket.conn.socket);
                        self.free.push(index);
                        if let (Some(url), true) = (&socket.churn, self.churning) {
                            self.dial(url, false, true)?;
                        }
                    }
                }
                for url in accepts {
                    self.dial(&url, false, false)?;
                }
            }
        }
    }

    fn take_orders(&mut self) -> Result<(), Failure> {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Dial { url, sockets } => {
                    for _ in 0..sockets {
                        self.dial(&url, false, false)?;
                    }
                }
                Order::Churn { url, concurrency } => {
                    self.churning = true;
                    for _ in 0..concurrency {
                        self.dial(&url, false, true)?;
                    }
                }
                Order::ChurnStop => self.churning = false,
            }
        }
        Ok(())
    }

    fn dial(&mut self, address: &str, control: bool, churn: bool) -> Result<(), Failure> {
        let url = http::parse_url(address).ok_or("not a URL")?;
        let stream = TcpStream::connect(&url.authority)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let tls = match (&self.setup.tls, url.secure) {
            (Some(config), true) => {
                let host = url.authority.split(':').next().unwrap_or_default().to_string();
                Some(ClientConnection::new(Arc::clone(config), ServerName::try_from(host)?)?.into())
            }
            _ => None,
        };
        let mut socket = Socket {
            conn: Conn::new(mio::net::TcpStream::from_std(stream), tls),
            opening: Some(Vec::new()),
            control,
            churn: churn.then(|| address.to_string()),
            scanner: Scanner::new(false),
            duty: Duty::default(),
            out: http::upgrade_request(&url.authority, &url.target, None).into_bytes(),
            out_at: 0,
            echo: Turn::default(),
            frames: Vec::new(),
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket.conn.socket, Token(index + 1), interest)?;
        self.sockets[index] = Some(socket);
        Ok(())
    }
}

impl Socket {
    /// `None` when the connection is over, else whether there is more to do.
    fn turn(&mut self, scratch: &mut Scratch, accepts: &mut Vec<String>) -> io::Result<Option<bool>> {
        let mut again = false;
        let full = self.out.len() - self.out_at > HIGH_WATER;
        if !full {
            match self.conn.read(scratch)? {
                Chunk::End => return Ok(None),
                Chunk::Empty => {}
                Chunk::Data { bytes, more } => {
                    again = more;
                    if !self.on_bytes(bytes, accepts) {
                        return Ok(None);
                    }
                }
            }
        }
        let drained = self.write()?;
        if drained && self.fill() {
            again = true;
        }
        // What was not read for lack of room is read once there is some.
        Ok(Some(again || (full && drained)))
    }

    fn write(&mut self) -> io::Result<bool> {
        if self.conn.is_handshaking() {
            self.conn.flush()?;
            if self.conn.is_handshaking() {
                return Ok(false);
            }
        }
        while self.out_at < self.out.len() {
            let taken = self.conn.write(&self.out[self.out_at..])?;
            if taken == 0 {
                return Ok(false);
            }
            self.out_at += taken;
        }
        self.out.clear();
        self.out_at = 0;
        self.conn.flush()
    }

    /// Makes the next burst of a flood.
    fn fill(&mut self) -> bool {
        let Role::Send { size, burst } = self.duty.role else { return false };
        if self.frames.is_empty() {
            let mut one = Vec::new();
            wire::frame(&mut one, 0x82, &vec![7; size], KEY);
            self.frames = one.repeat(burst.max(1) as usize);
        }
        self.out.extend_from_slice(&self.frames);
        self.duty.count += burst.max(1);
        true
    }

    fn on_bytes(&mut self, bytes: &[u8], accepts: &mut Vec<String>) -> bool {
        if let Some(response) = &mut self.opening {
            response.extend_from_slice(bytes);
            let Some(head) = Head::parse(response) else { return true };
            if head.start.split(' ').nth(1) != Some("101") {
                eprintln!("ceiling: {}", head.start);
                return false;
            }
            let rest = response.split_off(head.size);
            self.opening = None;
            return self.on_frames(&rest, accepts);
        }
        self.on_frames(bytes, accepts)
    }

    fn on_frames(&mut self, bytes: &[u8], accepts: &mut Vec<String>) -> bool {
        if !self.control && matches!(self.duty.role, Role::Echo | Role::EchoAll) {
            return self.echo(bytes);
        }
        let mut scan = Scan::default();
        self.scanner.feed(bytes, &mut scan);
        self.duty.count += scan.messages;
        for text in &scan.texts {
            if self.control {
                accepts.extend(accept_address(text));
            } else {
                self.answer(text);
            }
        }
        !scan.closed && scan.broken.is_none()
    }

    fn answer(&mut self, text: &str) {
        let answer = self.duty.command(text);
        wire::frame(&mut self.out, 0x81, answer.as_bytes(), KEY);
    }

    /// Sends frames back as they come, without waiting for their ends.
    fn echo(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let turn = &mut self.echo;
            if turn.left > 0 {
                let take = turn.left.min(bytes.len() as u64) as usize;
                self.out.extend_from_slice(&bytes[..take]);
                turn.left -= take as u64;
                bytes = &bytes[take..];
            }
            let Some((first, tail)) = bytes.split_first() else { return true };
            turn.head.push(*first);
            bytes = tail;
            let size = match turn.head.get(1) {
                Some(126) => 4,
                Some(127) => 10,
                _ => 2,
            };
            if turn.head.len() < size {
                continue;
            }
            let len = match turn.head[1] {
                126 => u64::from(u16::from_be_bytes([turn.head[2], turn.head[3]])),
                127 => turn.head[2..].iter().fold(0, |len, byte| len << 8 | u64::from(*byte)),
                len => u64::from(len),
            };
            let head = std::mem::take(&mut turn.head);
            match head[0] & 0x0f {
                1 if self.duty.role == Role::Echo => {
                    // Commands are small and come alone.
                    let Some(text) = bytes.get(..len as usize) else { return false };
                    let text = String::from_utf8_lossy(text).into_owned();
                    bytes = &bytes[len as usize..];
                    self.answer(&text);
                    continue;
                }
                8 => {
                    wire::frame(&mut self.out, 0x88, &1000u16.to_be_bytes(), KEY);
                    self.out_close();
                    return true;
                }
                _ => {}
            }
            self.out.push(head[0]);
            self.out.push(head[1] | 0x80);
            self.out.extend_from_slice(&head[2..]);
            self.out.extend_from_slice(&[0; 4]);
            self.echo.left = len;
            self.echo.head = head;
            self.echo.head.clear();
        }
    }

    /// The relay ends the connection once it has our close frame.
    fn out_close(&mut self) {
        self.duty.role = Role::Receive;
    }
}
