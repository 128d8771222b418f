//! One sender, which makes one request after the other in the way that its run is about.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::channel::{Channel, response};
use crate::http::Head;
use crate::scanner::{Scan, Scanner};
use crate::wire;

const READ: usize = 256 * 1024;
/// Bytes of a frame of a large body.
const PIECE: usize = 64 * 1024;

/// What a run asks for.
#[derive(Clone)]
pub struct Wanted {
    /// `GET` or `POST`, and path.
    pub method: &'static str,
    pub target: String,
    /// Bytes of the request's body.
    pub up: u64,
    /// Whether the response is so large that it comes by a rendezvous of its own.
    pub large: bool,
}

impl Wanted {
    /// Whether the body goes by a rendezvous of its own.
    fn is_upload(&self) -> bool {
        self.up > PIECE as u64
    }
}

/// Where requests go.
pub enum Way {
    /// On the control channel; what is large by a rendezvous for each.
    Control(Rc<Channel>),
    /// On a rendezvous that is kept for all of the sender's requests.
    Rendezvous(Rc<Channel>, Option<Rendezvous>),
    /// To an HTTP server.
    Plain(SocketAddr, Option<TcpStream>),
}

/// A sender.
pub struct Sender {
    pub way: Way,
    pub wanted: Wanted,
    /// The name of the peer's entity and the relay's address, of which addresses are made.
    pub entity: String,
    pub relay: SocketAddr,
    /// Bytes of bodies that have passed, of all senders.
    pub moved: Rc<Cell<u64>>,
}

impl Sender {
    /// Makes a request, and waits for all of its answer.
    pub async fn exchange(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain(address, kept) => {
                let mut socket = match kept.take() {
                    Some(socket) => socket,
                    None => TcpStream::connect(*address).await?,
                };
                socket.set_nodelay(true)?;
                plain(&mut socket, &self.wanted, &self.moved).await?;
                // The large ones are not measured for their connections.
                *kept = (!self.wanted.large).then_some(socket);
                Ok(())
            }
            Way::Control(channel) if self.wanted.is_upload() || self.wanted.large => {
                let number = channel.number();
                let dialled = channel.rendezvous_of(number);
                channel.send(self.wanted.request(number, self.wanted.is_upload(), &self.entity, self.relay));
                let mut rendezvous = Rendezvous::new(dialled.await.map_err(io::Error::other)?);
                if self.wanted.is_upload() {
                    rendezvous.ask(number, &self.wanted, &self.moved).await?;
                }
                rendezvous.answer(&self.moved).await?;
                rendezvous.close().await
            }
            Way::Control(channel) => {
                let number = channel.number();
                let answer = channel.response_to(number);
                let mut frames = self.wanted.request(number, false, &self.entity, self.relay);
                if self.wanted.up > 0 {
                    wire::frame(&mut frames, 0x82, &vec![7; self.wanted.up as usize], None);
                }
                channel.send(frames);
                let response = answer.await.map_err(io::Error::other)?;
                self.moved.set(self.moved.get() + self.wanted.up);
                succeeded(response.status_code)
            }
            Way::Rendezvous(channel, kept) => {
                let number = channel.number();
                if kept.is_none() {
                    let dialled = channel.rendezvous_of(number);
                    channel.send(self.wanted.request(number, true, &self.entity, self.relay));
                    *kept = Some(Rendezvous::new(dialled.await.map_err(io::Error::other)?));
                }
                let Some(rendezvous) = kept else { return Ok(()) };
                rendezvous.ask(number, &self.wanted, &self.moved).await?;
                rendezvous.answer(&self.moved).await
            }
        }
    }
}

impl Wanted {
    /// The frame of a `request` message.
    fn request(&self, number: u64, short: bool, entity: &str, relay: SocketAddr) -> Vec<u8> {
        let address = format!("ws://{relay}/$hc/{entity}?sb-hc-action=request&sb-hc-id={number}");
        let request = if short {
            json!({ "address": address, "id": number.to_string() })
        } else {
            json!({
                "address": address,
                "id": number.to_string(),
                "requestTarget": self.target,
                "method": self.method,
                "remoteEndpoint": { "address": "127.0.0.1", "port": 50000 },
                "requestHeaders": {
                    "Accept": "*/*",
                    "Accept-Encoding": "gzip, deflate",
                    "Content-Type": "application/octet-stream",
                    "User-Agent": "loadgen",
                    "Via": "1.1 relay",
                },
                "body": self.up > 0,
            })
        };
        let mut frames = Vec::new();
        wire::frame(&mut frames, 0x81, json!({ "request": request }).to_string().as_bytes(), None);
        frames
    }

    fn plain_request(&self) -> String {
        format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n\
             Content-Type: application/octet-stream\r\nUser-Agent: loadgen\r\nContent-Length: {}\r\n\r\n",
            self.method, self.target, self.up
        )
    }
}

/// A request's own connection of the listener.
pub struct Rendezvous {
    socket: TcpStream,
    scanner: Scanner,
    chunk: Vec<u8>,
}

impl Rendezvous {
    fn new(socket: TcpStream) -> Self {
        Self { socket, scanner: Scanner::new(true), chunk: vec![0; READ] }
    }

    /// Sends a request in full form with its body.
    async fn ask(&mut self, number: u64, wanted: &Wanted, moved: &Cell<u64>) -> io::Result<()> {
        // The inner address is not relied on by anybody.
        let mut frames = wanted.request(number, false, "none", SocketAddr::from(([127, 0, 0, 1], 1)));
        if wanted.up == 0 {
            return self.socket.write_all(&frames).await;
        }
        let mut left = wanted.up;
        let mut first = 0x02;
        while left > PIECE as u64 {
            wire::frame(&mut frames, first, &[7; PIECE], None);
            self.socket.write_all(&frames).await?;
            frames.clear();
            left -= PIECE as u64;
            moved.set(moved.get() + PIECE as u64);
            first = 0;
        }
        wire::frame(&mut frames, 0x80 | first, &vec![7; left as usize], None);
        moved.set(moved.get() + left);
        self.socket.write_all(&frames).await
    }

    /// Reads an answer with its body.
    async fn answer(&mut self, moved: &Cell<u64>) -> io::Result<()> {
        let mut head = None;
        let mut bodies = 0;
        loop {
            let length = self.socket.read(&mut self.chunk).await?;
            let mut scan = Scan::default();
            self.scanner.feed(&self.chunk[..length], &mut scan);
            if length == 0 || scan.closed || scan.broken.is_some() {
                return Err(io::Error::other("an answer was cut"));
            }
            moved.set(moved.get() + scan.bytes);
            bodies += scan.messages;
            if let Some(text) = scan.texts.first() {
                head = response(text);
            }
            if let Some(head) = &head
                && (!head.body || bodies > 0)
            {
                return succeeded(head.status_code);
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        wire::frame(&mut frame, 0x88, &1001u16.to_be_bytes(), None);
        self.socket.write_all(&frame).await
    }
}

/// The same request to an HTTP server.
async fn plain(socket: &mut TcpStream, wanted: &Wanted, moved: &Cell<u64>) -> io::Result<()> {
    let mut bytes = wanted.plain_request().into_bytes();
    let mut left = wanted.up as usize;
    while left > 0 {
        let piece = left.min(PIECE);
        bytes.resize(bytes.len() + piece, 7);
        socket.write_all(&bytes).await?;
        bytes.clear();
        left -= piece;
        moved.set(moved.get() + piece as u64);
    }
    socket.write_all(&bytes).await?;
    let mut chunk = vec![0; READ];
    let mut answer = Vec::new();
    let head = loop {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::other("no answer"));
        }
        if let Some(head) = Head::parse(&answer) {
            break head;
        }
    };
    succeeded(head.start.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default())?;
    let mut have = (answer.len() - head.size) as u64;
    moved.set(moved.get() + have);
    // A large body is counted with its chunks' heads, which are nothing beside it.
    let length = head.get("content-length").and_then(|length| length.parse().ok());
    let wanted =
        length.unwrap_or(wanted.target.rsplit('=').next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0));
    while have < wanted {
        let read = socket.read(&mut chunk).await? as u64;
        if read == 0 {
            return Err(io::Error::other("an answer was cut"));
        }
        have += read;
        moved.set(moved.get() + read);
    }
    Ok(())
}

fn succeeded(status: u16) -> io::Result<()> {
    if status == 200 { Ok(()) } else { Err(io::Error::other(format!("an answer with status {status}"))) }
}
