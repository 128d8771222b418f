//! A peer's control channel: requests out, responses in, and who waits for which.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::scanner::{Scan, Scanner};
use crate::wire;

const READ: usize = 256 * 1024;

pub struct Channel {
    out: mpsc::UnboundedSender<Vec<u8>>,
    asked: Cell<u64>,
    /// Who waits for a response on the channel.
    responses: RefCell<HashMap<u64, oneshot::Sender<Response>>>,
    /// Who waits for a rendezvous.
    dials: RefCell<HashMap<u64, oneshot::Sender<TcpStream>>>,
}

/// A response's head.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    request_id: String,
    pub status_code: u16,
    #[serde(default)]
    pub body: bool,
}

/// Reads the text of a response.
pub fn response(text: &str) -> Option<Response> {
    #[derive(Deserialize)]
    struct Envelope {
        response: Response,
    }
    serde_json::from_str(text).ok().map(|Envelope { response }| response)
}

impl Channel {
    /// The channel, and what keeps it going.
    pub fn new(socket: TcpStream) -> (Rc<Self>, impl Future<Output = io::Result<()>>) {
        let (out, queue) = mpsc::unbounded_channel();
        let (reader, writer) = socket.into_split();
        let channel = Rc::new(Self {
            out,
            asked: Cell::new(0),
            responses: RefCell::default(),
            dials: RefCell::default(),
        });
        tokio::task::spawn_local(write(queue, writer));
        let work = read(Rc::clone(&channel), reader);
        (channel, work)
    }

    /// A number for the next request.
    pub fn number(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.asked.get()
    }

    pub fn send(&self, frames: Vec<u8>) {
        let _ = self.out.send(frames);
    }

    /// The response to a request on the channel, with its body if it has one.
    pub fn response_to(&self, number: u64) -> oneshot::Receiver<Response> {
        let (tell, response) = oneshot::channel();
        self.responses.borrow_mut().insert(number, tell);
        response
    }

    /// The rendezvous of a request.
    pub fn rendezvous_of(&self, number: u64) -> oneshot::Receiver<TcpStream> {
        let (tell, socket) = oneshot::channel();
        self.dials.borrow_mut().insert(number, tell);
        socket
    }

    pub fn dialled(&self, number: u64, socket: TcpStream) {
        if let Some(tell) = self.dials.borrow_mut().remove(&number) {
            let _ = tell.send(socket);
        }
    }

    fn complete(&self, response: Response) {
        let number = response.request_id.parse().unwrap_or_default();
        if let Some(tell) = self.responses.borrow_mut().remove(&number) {
            let _ = tell.send(response);
        }
    }
}

/// Writes whatever has queued at once.
async fn write(mut queue: mpsc::UnboundedReceiver<Vec<u8>>, mut writer: OwnedWriteHalf) {
    while let Some(mut bytes) = queue.recv().await {
        while let Ok(more) = queue.try_recv() {
            bytes.extend_from_slice(&more);
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(channel: Rc<Channel>, mut reader: OwnedReadHalf) -> io::Result<()> {
    let mut chunk = vec![0; READ];
    let mut scanner = Scanner::new(true);
    // Responses whose body has not come, in their order.
    let mut awaiting = VecDeque::new();
    loop {
        let length = reader.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        let mut scan = Scan::default();
        scanner.feed(&chunk[..length], &mut scan);
        if let Some(what) = scan.broken {
            return Err(io::Error::other(what));
        }
        for payload in &scan.pings {
            let mut pong = Vec::new();
            wire::frame(&mut pong, 0x8a, payload, None);
            channel.send(pong);
        }
        // A body follows its response: in turn they pair up, even if both were counted apart.
        for response in scan.texts.iter().filter_map(|text| response(text)) {
            if response.body {
                awaiting.push_back(response);
            } else {
                channel.complete(response);
            }
        }
        for response in awaiting.drain(..awaiting.len().min(scan.messages as usize)) {
            channel.complete(response);
        }
    }
}
