//! The dialer of production against a relay on the loopback.

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn relay() -> (TcpListener, ListenerConfig) {
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = relay.local_addr().unwrap().port();
    let mut config = ListenerConfig::new(&format!("ws://127.0.0.1:{port}/$hc/hyco")).unwrap();
    config.rule = Some(rule(&["key"], LISTEN));
    (relay, config)
}

fn start(config: ListenerConfig) -> (Arc<Listener>, mpsc::UnboundedReceiver<serde_json::Value>) {
    let (events, heard) = mpsc::unbounded_channel();
    let sink = move |event: ListenerEvent| {
        let _ = events.send(serde_json::to_value(event).unwrap());
    };
    (Listener::start(config, Arc::new(sink), &Handle::current()).unwrap(), heard)
}

async fn event(events: &mut mpsc::UnboundedReceiver<serde_json::Value>, kind: &str) -> serde_json::Value {
    loop {
        let event = events.recv().await.unwrap();
        if event["type"] == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn listens_over_a_real_socket() {
    let (relay, config) = relay().await;
    let port = config.listen.port;
    let (listener, mut events) = start(config);
    let (stream, _) = relay.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    event(&mut events, "listening").await;
    let address = format!("ws://127.0.0.1:{port}/$hc/hyco?sb-hc-action=accept&sb-hc-id=1");
    futures_util::SinkExt::send(&mut socket, Message::text(accept_at(&address))).await.unwrap();
    let offer = event(&mut events, "offer").await;
    // A rejection is a second connection to the same relay.
    listener.reject(id_of(&offer), 403, "no");
    let (mut second, _) = relay.accept().await.unwrap();
    let mut head = vec![0; 4096];
    let length = second.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(head.starts_with("GET /$hc/hyco?sb-hc-action=accept&sb-hc-id=1&sb-hc-statusCode=403&"), "{head}");
    second.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    listener.close(false);
    while let Some(Ok(_)) = socket.next().await {}
    event(&mut events, "closed").await;
    let stats = listener.stats();
    assert_eq!((stats.rejected, stats.reject_failures, stats.rejects_dropped), (1, 0, 0));
}

#[tokio::test]
async fn a_refusal_keeps_its_retry_after_and_the_beginning_of_its_reason() {
    let (relay, config) = relay().await;
    let (listener, mut events) = start(config);
    let (mut stream, _) = relay.accept().await.unwrap();
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(
        head.contains("\r\nServiceBusAuthorization: SharedAccessSignature sr=")
            && head.contains("sb-hc-action=listen"),
        "{head}"
    );
    let reason = format!("Busy. TrackingId:9_G1, {}", "x".repeat(50_000));
    let answer = format!("HTTP/1.1 503 {reason}\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let event = event(&mut events, "reconnecting").await;
    assert!(event["delay"].as_u64().unwrap() >= 120_000);
    assert_eq!(event["error"]["trackingId"], "9_G1");
    assert_eq!(event["error"]["reason"], reason[..512]);
    drop(listener);
}
