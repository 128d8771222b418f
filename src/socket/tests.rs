//! A socket driven by [`run`] against a peer that speaks the protocol by hand, both on one runtime.
//!
//! Where a test has to know that nothing more will happen, it uses tokio's paused clock and lets it run on for a
//! while: it takes a step only when every task waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::delivery::{BLOCK, Delivery, DrainEnd, FLAG_CHUNK, FLAG_LARGE, Kind, RECORD_WORDS};
use super::*;
use crate::frame::{self, DeflateOptions, MaskKeys, OpCode};
use crate::http::HeaderLines;
use crate::keep_alive::{KeepAlive, KeepAliveMode};
use crate::transport::{self, DialRequest, TlsOptions};

mod compression;
mod ending;
mod faults;
mod flow;
mod keep_alive;
mod messages;
mod opening;
mod tally;
mod threads;

const SLOT: u32 = 3;
const HOUR: Duration = Duration::from_secs(3600);

const BINARY: Outline = Outline {
    opcode: OpCode::Binary,
    fin: true,
    rsv1: false,
    compress: false,
    mask: Masking::Random,
    receipt: false,
};
const RECEIPT: Outline = Outline { receipt: true, ..BINARY };

/// What JavaScript says among its frames.
impl Socket {
    fn close_within(&self, limit: Duration) {
        self.send(&mut MaskKeys::default()).close_within(limit);
    }

    fn shutdown(&self) {
        self.send(&mut MaskKeys::default()).end();
    }
}

/// What a test can turn.
#[derive(Clone)]
struct Setup {
    tls: bool,
    options: SocketOptions,
    tuning: Tuning,
    deflate: Option<DeflateOptions>,
    protocols: Vec<String>,
    limit: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let options = SocketOptions {
            max_payload: 0,
            max_fragments: 0,
            skip_utf8: false,
            high_water: 1024 * 1024,
            max_backlog: 0,
            assembling: None,
            keep_alive: None,
        };
        let tuning = Tuning::default();
        Self { tls: false, options, tuning, deflate: None, protocols: Vec::new(), limit: usize::MAX }
    }
}

impl Setup {
    fn tls() -> Self {
        Self { tls: true, ..Self::default() }
    }
}

/// With and without TLS.
fn both() -> [Setup; 2] {
    [Setup::default(), Setup::tls()]
}

/// A record as JavaScript gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    kind: u32,
    detail: u16,
    payload: Vec<u8>,
    count: u32,
}

impl Record {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind as u32
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// The end of the queue that JavaScript has.
struct Inbox {
    delivery: Arc<Delivery>,
    woken: Arc<Notify>,
    /// Set: whoever wakes JavaScript next panics.
    trap: Arc<AtomicBool>,
    records: VecDeque<Record>,
    /// `Shut` records, which come whenever the kernel takes the end: not in the row of the others.
    shut: u32,
}

impl Inbox {
    fn new(limit: usize) -> Self {
        let woken = Arc::new(Notify::new());
        let wake = Arc::clone(&woken);
        let trap = Arc::new(AtomicBool::new(false));
        let trapped = Arc::clone(&trap);
        let delivery = Arc::new(Delivery::new(limit, move || {
            wake.notify_one();
            assert!(!trapped.swap(false, Ordering::SeqCst), "on purpose");
        }));
        Self { delivery, woken, trap, records: VecDeque::new(), shut: 0 }
    }

    fn drain(&mut self) {
        let mut table = [0; 64 * RECORD_WORDS];
        let mut block = vec![0; BLOCK];
        let mut chunk = Vec::new();
        loop {
            let drained = self.delivery.drain(&mut table, &mut block);
            for row in table.chunks_exact(RECORD_WORDS).take(drained.count) {
                assert_eq!(row[0], SLOT);
                let kind = row[1] & 0xff;
                if kind == Kind::Shut as u32 {
                    self.shut += 1;
                    continue;
                }
                let counts = kind == Kind::Sent as u32 || kind == Kind::Closed as u32;
                let payload = match row[1] & (FLAG_LARGE | FLAG_CHUNK) {
                    _ if counts || row[3] == 0 => Vec::new(),
                    FLAG_LARGE => self.delivery.take_large(row[2]).unwrap(),
                    flag => {
                        let bytes = if flag == 0 { &block } else { &chunk };
                        bytes[row[2] as usize..][..row[3] as usize].to_vec()
                    }
                };
                let count = if counts { row[3] } else { 0 };
                self.records.push_back(Record { kind, detail: (row[1] >> 16) as u16, payload, count });
            }
            match drained.ended {
                DrainEnd::Empty => return,
                DrainEnd::Chunk => chunk = self.delivery.take_chunk().unwrap(),
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Record {
        loop {
            self.drain();
            if let Some(record) = self.records.pop_front() {
                return record;
            }
            self.woken.notified().await;
        }
    }

    async fn expect(&mut self, kind: Kind) -> Record {
        let record = self.next().await;
        assert!(record.is(kind), "{kind:?} expected, not {} {:?}", record.kind, record.payload.get(..200));
        record
    }

    async fn closed(&mut self, cause: u16) -> u32 {
        let record = self.expect(Kind::Closed).await;
        assert_eq!(record.detail, cause);
        self.drain();
        assert_eq!(self.records, [], "nothing follows");
        record.count
    }

    /// As many receipts as there are frames that asked for one.
    async fn receipts(&mut self, mut count: u32) {
        while count > 0 {
            count -= self.expect(Kind::Sent).await.count;
        }
    }
}

/// As the environment does when it goes: what waits in the queue holds its sockets, and they hold the queue.
impl Drop for Inbox {
    fn drop(&mut self) {
        self.delivery.close();
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;

    fn tls(&mut self) -> Option<(&mut TcpStream, &mut rustls::ServerConnection)> {
        None
    }
}

impl Io for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Io for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }

    fn tls(&mut self) -> Option<(&mut TcpStream, &mut rustls::ServerConnection)> {
        Some(self.get_mut())
    }
}

/// A frame as the peer reads it, unmasked.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    first: u8,
    payload: Vec<u8>,
}

/// The server's side of the connection.
struct Peer {
    io: Box<dyn Io>,
    request: String,
}

impl Peer {
    async fn accept(listener: &TcpListener, tls: bool) -> Self {
        let (tcp, _) = listener.accept().await.unwrap();
        let io: Box<dyn Io> = if tls {
            Box::new(TlsAcceptor::from(Arc::clone(&IDENTITY.server)).accept(tcp).await.unwrap())
        } else {
            Box::new(tcp)
        };
        let mut peer = Self { io, request: String::new() };
        while !peer.request.ends_with("\r\n\r\n") {
            let byte = peer.io.read_u8().await.unwrap();
            peer.request.push(char::from(byte));
        }
        peer
    }

    /// Answers with 101, `headers` and right behind them `early`.
    async fn upgrade(&mut self, headers: &str, early: &[u8]) {
        let key = self.request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
        );
        self.write(&[head.as_bytes(), early].concat()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
        self.io.flush().await.unwrap();
    }

    async fn send(&mut self, opcode: OpCode, payload: &[u8]) {
        self.write(&encode(opcode, payload)).await;
    }

    async fn frame(&mut self) -> Frame {
        let first = self.io.read_u8().await.unwrap();
        let second = self.io.read_u8().await.unwrap();
        assert!(second & 0x80 != 0, "a client masks");
        let len = match second & 0x7f {
            126 => u64::from(self.io.read_u16().await.unwrap()),
            127 => self.io.read_u64().await.unwrap(),
            len => u64::from(len),
        };
        let mut key = [0; 4];
        self.io.read_exact(&mut key).await.unwrap();
        let mut payload = vec![0; len as usize];
        self.io.read_exact(&mut payload).await.unwrap();
        frame::mask::apply(&mut payload, key, 0);
        Frame { first, payload }
    }

    async fn end(&mut self) {
        self.io.shutdown().await.unwrap();
    }

    /// The socket has ended its side, in order.
    async fn expect_end(&mut self) {
        assert_eq!(self.io.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }

    fn reset(self) {
        SockRef::from(self.io.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn encode(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, opcode, true, false, None, payload);
    bytes
}

struct Identity {
    server: Arc<ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let pair = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let options = TlsOptions { ca: vec![cert.pem()], ..TlsOptions::default() };
    let key = pair.serialize_der().try_into().unwrap();
    let server = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    Identity { server: server.into(), client: transport::client_config(&options).unwrap() }
});

fn opening(setup: &Setup, port: u16) -> Opening {
    let mut head = HeaderLines::default();
    for (name, value) in [("Host", "peer"), ("Connection", "Upgrade"), ("Upgrade", "websocket")] {
        head.push(name, value);
    }
    if let Some(options) = &setup.deflate {
        head.push("Sec-WebSocket-Extensions", &frame::negotiation::offer(options));
    }
    let request = DialRequest {
        secure: setup.tls,
        host: "127.0.0.1".into(),
        port,
        target: "/".to_owned().into(),
        head,
        tls: setup.tls.then(|| Arc::clone(&IDENTITY.client)),
        server_name: None,
        proxy: None,
        handshake_timeout: None,
        admission: None,
    };
    Opening {
        request,
        protocols: setup.protocols.clone(),
        compression: setup.deflate.map(Compression::Offer),
        level: 6,
        tells_head: true,
        opened: None,
    }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A socket, its peer and its records.
struct Rig {
    socket: Arc<Socket>,
    inbox: Inbox,
    peer: Peer,
    keys: MaskKeys,
    task: JoinHandle<()>,
}

impl Rig {
    /// Dials, up to the point where the peer has read the request.
    async fn dial(setup: &Setup) -> Self {
        let (listener, port) = listen().await;
        let inbox = Inbox::new(setup.limit);
        let socket = Socket::new(SLOT, Arc::clone(&inbox.delivery), setup.options.clone(), setup.tuning);
        let task = tokio::spawn(run(Arc::clone(&socket), opening(setup, port)));
        let peer = Peer::accept(&listener, setup.tls).await;
        Self { socket, inbox, peer, keys: MaskKeys::default(), task }
    }

    async fn open(setup: &Setup) -> Self {
        Self::open_with(setup, "", b"").await
    }

    async fn open_with(setup: &Setup, headers: &str, early: &[u8]) -> Self {
        let mut rig = Self::dial(setup).await;
        rig.peer.upgrade(headers, early).await;
        rig.inbox.expect(Kind::Open).await;
        rig
    }

    fn send(&mut self, outline: Outline, payload: &[u8]) {
        self.socket.send(&mut self.keys).frame(outline, payload);
    }

    /// Ends in order, and sees to it that nothing is left.
    async fn finish(mut self) {
        self.socket.shutdown();
        self.peer.expect_end().await;
        self.peer.end().await;
        self.inbox.expect(Kind::End).await;
        assert_eq!(self.inbox.closed(0).await, 0);
        assert_eq!(self.inbox.shut, 1);
        self.task.await.unwrap();
        assert_eq!(Arc::strong_count(&self.socket), 1);
    }
}

/// Waits until nothing moves any more; needs the paused clock. Each sleep ends with one look at the selector.
async fn settle() {
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Drives `future` until nothing moves any more, which must not be its end.
async fn stuck(future: &mut (impl Future<Output = ()> + Unpin)) {
    tokio::select! {
        () = future => panic!("this should not have come to an end"),
        () = settle() => {}
    }
}

/// Bytes that differ from their neighbours, and from those of another seed.
fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|index| (index as u8).wrapping_mul(31).wrapping_add((index >> 8) as u8) ^ seed).collect()
}
