//! A listener on the addon's own codec and tokio, without Node: what the codec leaves to be won.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::role::{Duty, Role};
use super::{Order, Setup, accept_address, take_orders};
use crate::Failure;
use crate::frame::decoder::DecoderOptions;
use crate::frame::negotiation::{self, DeflateOptions};
use crate::frame::{self, Decoder, Deflate, Inflate, MaskKeys, OpCode, Payload, Sink};
use crate::http::{self, Head};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

static CHURNING: AtomicBool = AtomicBool::new(false);
static ACCEPTS: OnceLock<mpsc::UnboundedSender<Order>> = OnceLock::new();

pub fn run(setup: Setup) -> Result<(), Failure> {
    let (sender, mut orders) = mpsc::unbounded_channel();
    let _ = ACCEPTS.set(sender.clone());
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async move {
        let setup = Arc::new(setup);
        if let Some(url) = setup.url.clone() {
            tokio::spawn(socket(Arc::clone(&setup), url, true));
        }
        take_orders(move |order| {
            let _ = sender.send(order);
        });
        while let Some(order) = orders.recv().await {
            match order {
                Order::Dial { url, sockets } => {
                    for _ in 0..sockets {
                        tokio::spawn(socket(Arc::clone(&setup), url.clone(), false));
                    }
                }
                Order::Churn { url, concurrency } => {
                    CHURNING.store(true, Ordering::Relaxed);
                    for _ in 0..concurrency {
                        tokio::spawn(churn(Arc::clone(&setup), url.clone()));
                    }
                }
                Order::ChurnStop => CHURNING.store(false, Ordering::Relaxed),
            }
        }
        Ok(())
    })
}

async fn churn(setup: Arc<Setup>, url: String) {
    while CHURNING.load(Ordering::Relaxed) {
        socket(Arc::clone(&setup), url.clone(), false).await;
    }
}

fn socket(setup: Arc<Setup>, url: String, control: bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if let Err(error) = talk(&setup, &url, control).await {
            eprintln!("codec: {error}");
        }
    })
}

async fn talk(setup: &Setup, address: &str, control: bool) -> Result<(), Failure> {
    let url = http::parse_url(address).ok_or("not a URL")?;
    let stream = TcpStream::connect(&url.authority).await?;
    stream.set_nodelay(true)?;
    match (&setup.tls, url.secure) {
        (Some(config), true) => {
            let host = url.authority.split(':').next().unwrap_or_default().to_string();
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            let stream = connector.connect(ServerName::try_from(host)?, stream).await?;
            exchange(stream, &url, control).await
        }
        _ => exchange(stream, &url, control).await,
    }
}

struct Answers {
    control: bool,
    duty: Duty,
    out: Vec<u8>,
    keys: MaskKeys,
    deflate: Option<Deflate>,
    deflated: Vec<u8>,
    closed: bool,
}

impl Answers {
    fn send(&mut self, opcode: OpCode, payload: &[u8]) {
        let key = Some(self.keys.next_key());
        match &mut self.deflate {
            Some(deflate) if !opcode.is_control() => {
                self.deflated.clear();
                if let Err(error) = deflate.compress(payload, true, &mut self.deflated) {
                    return eprintln!("codec: {error}");
                }
                frame::encode(&mut self.out, opcode, true, true, key, &self.deflated);
            }
            _ => frame::encode(&mut self.out, opcode, true, false, key, payload),
        }
    }
}

impl Sink for Answers {
    fn message(&mut self, binary: bool, payload: Payload<'_>, _fragments: &[u32]) {
        if self.control {
            let text = String::from_utf8_lossy(&payload);
            if let (Some(url), Some(orders)) = (accept_address(&text), ACCEPTS.get()) {
                let _ = orders.send(Order::Dial { url, sockets: 1 });
            }
            return;
        }
        match self.duty.role {
            Role::EchoAll => self.send(if binary { OpCode::Binary } else { OpCode::Text }, &payload),
            Role::Echo if binary => self.send(OpCode::Binary, &payload),
            Role::Receive if binary => self.duty.count += 1,
            _ => {
                let answer = self.duty.command(&String::from_utf8_lossy(&payload));
                self.send(OpCode::Text, answer.as_bytes());
            }
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.send(OpCode::Pong, payload);
    }

    fn pong(&mut self, _payload: &[u8]) {}

    fn close(&mut self, code: u16, _reason: &[u8]) {
        self.send(OpCode::Close, &code.to_be_bytes());
        self.closed = true;
    }
}

async fn exchange(mut stream: impl Stream, url: &http::Url, control: bool) -> Result<(), Failure> {
    let offer = negotiation::offer(&DeflateOptions::default());
    let request = http::upgrade_request(&url.authority, &url.target, Some(&offer));
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    let head = loop {
        if stream.read_buf(&mut response).await? == 0 {
            return Err("no response".into());
        }
        if let Some(head) = Head::parse(&response) {
            break head;
        }
    };
    if head.start.split(' ').nth(1) != Some("101") {
        return Err(head.start.into());
    }
    let mut options = DecoderOptions::new(frame::Role::Client);
    let mut deflate = None;
    if let Some(answer) = head.get("sec-websocket-extensions") {
        let params = negotiation::accept(answer, &DeflateOptions::default())?;
        options.inflate = Some(Inflate::new(frame::Role::Client, &params));
        deflate = Some(Deflate::new(frame::Role::Client, &params, 6));
    }
    let mut decoder = Decoder::new(options);
    let mut answers = Answers {
        control,
        duty: Duty::default(),
        out: Vec::new(),
        keys: MaskKeys::new(),
        deflate,
        deflated: Vec::new(),
        closed: false,
    };
    let mut chunk = response.split_off(head.size);
    drop(response);
    let mut payload = Vec::new();
    decoder.decode(&mut chunk, &mut answers)?;
    loop {
        if !answers.out.is_empty() {
            stream.write_all(&answers.out).await?;
            stream.flush().await?;
            answers.out.clear();
            if answers.out.capacity() > 1024 * 1024 {
                answers.out = Vec::new();
            }
        }
        if answers.closed {
            // The relay ends the connection.
            while read(&mut stream, |_| Ok(())).await? {}
            return Ok(());
        }
        if let Role::Send { size, burst } = answers.duty.role {
            payload.resize(size, 7);
            for _ in 0..burst {
                answers.send(OpCode::Binary, &payload);
            }
            answers.duty.count += burst;
            let more = tokio::select! {
                biased;
                more = read(&mut stream, |chunk| Ok(decoder.decode(chunk, &mut answers)?)) => more?,
                () = std::future::ready(()) => true,
            };
            if !more {
                return Ok(());
            }
            continue;
        }
        if let Some((body, room)) = decoder.direct() {
            let n = (&mut stream).take(room as u64).read_buf(body).await?;
            if n == 0 {
                return Ok(());
            }
            decoder.direct_advance(&mut answers)?;
            continue;
        }
        if !read(&mut stream, |chunk| Ok(decoder.decode(chunk, &mut answers)?)).await? {
            return Ok(());
        }
    }
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// Reads into the thread's buffer, so that an idle socket has none; `false` at the end.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    mut take: impl FnMut(&mut [u8]) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    std::future::poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            Poll::Ready(take(buffer.filled_mut()).map(|()| true))
        })
    })
    .await
}
