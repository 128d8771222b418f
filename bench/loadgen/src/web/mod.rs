//! A relay that plays the senders of HTTP requests itself; and the same senders for a plain HTTP server beside it.
//!
//! Commands come as JSON lines over stdin, each with an `id` that its reply repeats:
//! `listening` (with `peer`), `run` (see [`load`]), `quit`. All connections are plain.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};

use crate::Failure;
use crate::http::{self, Head};
use crate::relay::reply;
use channel::Channel;

mod channel;
mod exchange;
mod load;

/// What all connections know.
pub struct Relay {
    pub address: SocketAddr,
    /// Control channels by the name of their entity.
    channels: RefCell<HashMap<String, Rc<Channel>>>,
    registered: Notify,
}

impl Relay {
    /// The peer's control channel, as soon as there is one.
    pub async fn channel(&self, peer: &str) -> Rc<Channel> {
        loop {
            let registered = self.registered.notified();
            if let Some(channel) = self.channels.borrow().get(peer) {
                return Rc::clone(channel);
            }
            registered.await;
        }
    }
}

pub fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let relay = Rc::new(Relay { address, channels: RefCell::default(), registered: Notify::new() });
        tokio::task::spawn_local(take_connections(listener, Rc::clone(&relay)));
        reply(&json!({ "event": "ready", "ws": address.to_string() }));
        let mut commands = commands();
        while let Some(command) = commands.recv().await {
            if command["cmd"] == "quit" {
                break;
            }
            let relay = Rc::clone(&relay);
            tokio::task::spawn_local(async move {
                let mut answer = match obey(&relay, &command).await {
                    Ok(answer) => answer,
                    Err(error) => json!({ "error": error.to_string() }),
                };
                answer["id"] = command["id"].clone();
                reply(&answer);
            });
        }
        Ok(())
    })
}

async fn obey(relay: &Rc<Relay>, command: &Value) -> Result<Value, Failure> {
    match command["cmd"].as_str() {
        Some("listening") => {
            relay.channel(command["peer"].as_str().ok_or("no peer")?).await;
            Ok(json!({}))
        }
        Some("run") => load::run(relay, command).await,
        other => Err(format!("unknown command {other:?}").into()),
    }
}

fn commands() -> mpsc::UnboundedReceiver<Value> {
    let (sender, commands) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(serde_json::from_str(&line).unwrap_or_default()).is_err() {
                break;
            }
        }
    });
    commands
}

async fn take_connections(listener: TcpListener, relay: Rc<Relay>) {
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        tokio::task::spawn_local(take_connection(socket, Rc::clone(&relay)));
    }
}

/// Opens a WebSocket; then it is a control channel, or a rendezvous that some request waits for.
async fn take_connection(mut socket: TcpStream, relay: Rc<Relay>) -> io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if socket.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        if let Some(head) = Head::parse(&request) {
            break head;
        }
    };
    socket.write_all(http::switching_protocols(&head, false).as_bytes()).await?;
    let target = head.target();
    let peer = http::entity(target).to_owned();
    if http::query(target, "sb-hc-action") == Some("listen") {
        let (channel, work) = Channel::new(socket);
        relay.channels.borrow_mut().insert(peer, channel);
        relay.registered.notify_waiters();
        return work.await;
    }
    let channel = relay.channels.borrow().get(&peer).cloned();
    let number = http::query(target, "sb-hc-id").and_then(|number| number.parse().ok());
    if let (Some(channel), Some(number)) = (channel, number) {
        channel.dialled(number, socket);
    }
    Ok(())
}
