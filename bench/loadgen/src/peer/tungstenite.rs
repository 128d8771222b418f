//! A listener on tokio-tungstenite, as one would write it: a task a socket, flushed when nothing more is there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{FutureExt, SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::role::{Duty, Role};
use super::{Order, Setup, accept_address, take_orders};
use crate::Failure;
use crate::http;

struct Shared {
    setup: Setup,
    churning: AtomicBool,
    orders: mpsc::UnboundedSender<Order>,
}

pub fn run(setup: Setup) -> Result<(), Failure> {
    let (sender, mut orders) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared { setup, churning: AtomicBool::new(false), orders: sender.clone() });
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async move {
        if let Some(url) = shared.setup.url.clone() {
            tokio::spawn(socket(Arc::clone(&shared), url, true));
        }
        take_orders(move |order| {
            let _ = sender.send(order);
        });
        while let Some(order) = orders.recv().await {
            match order {
                Order::Dial { url, sockets } => {
                    for _ in 0..sockets {
                        tokio::spawn(socket(Arc::clone(&shared), url.clone(), false));
                    }
                }
                Order::Churn { url, concurrency } => {
                    shared.churning.store(true, Ordering::Relaxed);
                    for _ in 0..concurrency {
                        tokio::spawn(churn(Arc::clone(&shared), url.clone()));
                    }
                }
                Order::ChurnStop => shared.churning.store(false, Ordering::Relaxed),
            }
        }
        Ok(())
    })
}

async fn churn(shared: Arc<Shared>, url: String) {
    while shared.churning.load(Ordering::Relaxed) {
        socket(Arc::clone(&shared), url.clone(), false).await;
    }
}

fn socket(shared: Arc<Shared>, url: String, control: bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if let Err(error) = talk(&shared, &url, control).await {
            eprintln!("tungstenite: {error}");
        }
    })
}

async fn talk(shared: &Shared, address: &str, control: bool) -> Result<(), Failure> {
    let url = http::parse_url(address).ok_or("not a URL")?;
    let stream = TcpStream::connect(&url.authority).await?;
    stream.set_nodelay(true)?;
    let config = Some(WebSocketConfig::default());
    match (&shared.setup.tls, url.secure) {
        (Some(tls), true) => {
            let host = url.authority.split(':').next().unwrap_or_default().to_string();
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
            let stream = connector.connect(ServerName::try_from(host)?, stream).await?;
            let (socket, _) = tokio_tungstenite::client_async_with_config(address, stream, config).await?;
            exchange(shared, socket, control).await
        }
        _ => {
            let (socket, _) = tokio_tungstenite::client_async_with_config(address, stream, config).await?;
            exchange(shared, socket, control).await
        }
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    mut socket: WebSocketStream<S>,
    control: bool,
) -> Result<(), Failure> {
    let mut duty = Duty::default();
    loop {
        if let Role::Send { size, burst } = duty.role {
            let payload = tokio_tungstenite::tungstenite::Bytes::from(vec![7; size]);
            for _ in 0..burst {
                socket.feed(Message::Binary(payload.clone())).await?;
            }
            socket.flush().await?;
            duty.count += burst;
            tokio::task::yield_now().await;
        }
        let flooding = matches!(duty.role, Role::Send { .. });
        let message = match socket.next().now_or_never() {
            Some(message) => message,
            None if flooding => continue,
            None => {
                socket.flush().await?;
                socket.next().await
            }
        };
        let Some(Ok(message)) = message else { return Ok(()) };
        match message {
            Message::Text(text) if control => {
                if let Some(url) = accept_address(&text) {
                    let _ = shared.orders.send(Order::Dial { url, sockets: 1 });
                }
            }
            Message::Text(text) if duty.role != Role::EchoAll => {
                let answer = duty.command(&text);
                socket.feed(Message::text(answer)).await?;
            }
            Message::Binary(_) if duty.role == Role::Receive => duty.count += 1,
            Message::Text(_) | Message::Binary(_) => socket.feed(message).await?,
            _ => {}
        }
    }
}
