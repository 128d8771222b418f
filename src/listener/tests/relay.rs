//! A relay in memory: every dial of the listener becomes a call that the test answers as it likes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::{SinkExt, StreamExt};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::*;
use crate::listener::dialer::{DialFailure, Dialed, Dialing};
use crate::protocol::control;
use crate::transport::DialRequest;

/// One dial.
pub struct Call {
    pub target: DialRequest,
    reply: oneshot::Sender<Result<Dialed, DialFailure>>,
}

pub struct Peer(pub WebSocketStream<DuplexStream>);

impl Call {
    pub async fn open(self) -> Peer {
        self.open_with(64 * 1024).await
    }

    pub async fn open_with(self, buffer: usize) -> Peer {
        let (ours, theirs) = tokio::io::duplex(buffer);
        let dialed = Dialed { io: Box::new(theirs), leftover: Vec::new() };
        assert!(self.reply.send(Ok(dialed)).is_ok(), "the listener waits");
        Peer(WebSocketStream::from_raw_socket(ours, Role::Server, None).await)
    }

    pub fn refuse(self, status: u16, reason: &str) {
        let _ = self.reply.send(Err(RelayError::refused(status, reason).into()));
    }

    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

impl Peer {
    /// One that is connected to nobody, to stand in.
    pub async fn nowhere() -> Self {
        Self(WebSocketStream::from_raw_socket(tokio::io::duplex(1).0, Role::Server, None).await)
    }

    pub async fn say(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn shut(&mut self, code: u16, reason: &'static str) {
        self.0
            .send(Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() })))
            .await
            .unwrap();
    }

    /// The next message that is neither ping nor pong; `None` at the end.
    pub async fn hear(&mut self) -> Option<Message> {
        loop {
            match self.0.next().await? {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => return Some(message),
                Err(_) => return None,
            }
        }
    }

    pub async fn hear_json(&mut self) -> serde_json::Value {
        match self.hear().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

struct Fake(UnboundedSender<Call>);

impl Dialer for Fake {
    fn dial(&self, target: DialRequest) -> Dialing {
        let (reply, answer) = oneshot::channel();
        let _ = self.0.send(Call { target, reply });
        Box::pin(async move {
            answer
                .await
                .unwrap_or_else(|_| Err(RelayError::new(ErrorKind::Network, "connect ECONNREFUSED").into()))
        })
    }
}

/// Notes what it hears, as JSON.
struct Owner {
    events: UnboundedSender<serde_json::Value>,
    /// The type of the event that it panics on, once.
    trap: &'static str,
    armed: AtomicBool,
}

impl ListenerSink for Owner {
    fn event(&self, event: ListenerEvent) {
        let mut told = serde_json::to_value(&event).unwrap();
        match &event {
            ListenerEvent::Offer { accept, .. } => {
                let message: serde_json::Value = serde_json::from_str(&control::accept(accept)).unwrap();
                told["accept"] = message["accept"].clone();
            }
            ListenerEvent::Request(request) => {
                told["body"] = request.body.as_ref().map(|body| String::from_utf8_lossy(body)).into();
            }
            _ => {}
        }
        assert!(told["type"] != self.trap || !self.armed.swap(false, Relaxed), "on purpose");
        let _ = self.events.send(told);
    }

    fn outlet(&self, number: u64, wake: BodyWaker) -> Arc<dyn BodyOutlet> {
        Arc::new(Outlet { number, wake, flowing: AtomicBool::new(false), events: self.events.clone() })
    }
}

/// The way of a body that streams: its pieces are `body` events.
struct Outlet {
    number: u64,
    wake: BodyWaker,
    flowing: AtomicBool,
    events: UnboundedSender<serde_json::Value>,
}

impl BodyOutlet for Outlet {
    fn flow(&self, flowing: bool) {
        self.flowing.store(flowing, Relaxed);
        (self.wake)();
    }

    fn may_read(&self) -> bool {
        self.flowing.load(Relaxed)
    }

    fn deliver(&self, pieces: &[&[u8]], last: bool) {
        let text = String::from_utf8(pieces.concat()).unwrap();
        let told = serde_json::json!({ "type": "body", "number": self.number, "text": text, "last": last });
        let _ = self.events.send(told);
    }
}

/// A listener with its relay and its owner.
pub struct Stage {
    pub listener: Arc<Listener>,
    pub calls: UnboundedReceiver<Call>,
    pub events: UnboundedReceiver<serde_json::Value>,
}

pub const LISTEN: &str = "wss://ns.servicebus.windows.net:443/$hc/hyco?sb-hc-action=listen";

pub fn config() -> ListenerConfig {
    let mut config = ListenerConfig::new(LISTEN).unwrap();
    config.rule = Some(rule(&["key"], LISTEN));
    config
}

/// A rule whose tokens need no renewal while a test runs.
pub fn rule(keys: &[&str], audience: &str) -> SasRule {
    SasRule {
        name: "rule".into(),
        keys: keys.iter().map(|key| Secret::new(*key)).collect(),
        lifetime: Duration::from_secs(1000 * 86_400),
        audience: audience.into(),
    }
}

/// Keeps the test from hanging; the clock is paused, so this takes no time.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(86_400), future).await.expect("it never happened")
}

impl Stage {
    pub fn new(config: ListenerConfig) -> Self {
        Self::trapped(config, "")
    }

    /// A stage whose sink panics on the first event of this type.
    pub fn trapped(config: ListenerConfig, trap: &'static str) -> Self {
        let (calls, events) = (unbounded_channel(), unbounded_channel());
        let armed = AtomicBool::new(true);
        let sink = Owner { events: events.0, trap, armed };
        let dialer = Arc::new(Fake(calls.0));
        let listener =
            Listener::start_with(config, Arc::new(sink), &Handle::current(), dialer, || Box::new(|| 0.5))
                .unwrap();
        Self { listener, calls: calls.1, events: events.1 }
    }

    /// A listener that is online, and the relay's end of its channel.
    pub async fn online(config: ListenerConfig) -> (Self, Peer) {
        Self::new(config).up().await
    }

    pub async fn up(self) -> (Self, Peer) {
        let mut stage = self;
        let peer = stage.call().await.open().await;
        stage.event("listening").await;
        (stage, peer)
    }

    pub async fn call(&mut self) -> Call {
        soon(self.calls.recv()).await.unwrap()
    }

    /// The next event of this type; others are passed over.
    pub async fn event(&mut self, kind: &str) -> serde_json::Value {
        soon(async {
            loop {
                let event = self.events.recv().await.unwrap();
                if event["type"] == kind {
                    return event;
                }
            }
        })
        .await
    }

    /// Whom the listener has turned away, and how.
    pub async fn turned_away(&mut self) -> (u64, u64) {
        let event = self.event("turnedAway").await;
        (id_of(&event), event["status"].as_u64().unwrap())
    }

    pub async fn closed(mut self) {
        self.listener.close(false);
        self.event("closed").await;
        assert!(self.listener.is_closed());
    }
}

pub fn accept(id: u32) -> String {
    accept_at(&format!(
        "wss://g1-sb.servicebus.windows.net:443/$hc/hyco/a%20b?x=1&sb-hc-action=accept&sb-hc-id={id}"
    ))
}

pub fn accept_at(address: &str) -> String {
    let headers = serde_json::json!({
        "Sec-WebSocket-Extensions": "permessage-deflate",
        "Sec-WebSocket-Protocol": "b, a"
    });
    serde_json::json!({ "accept": { "address": address, "id": "same", "connectHeaders": headers } })
        .to_string()
}
