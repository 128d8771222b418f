//! The relay over real loopback sockets, with tungstenite for a client.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::options::{PolicyOptions, Right};
use super::*;

type ClientSocket = WebSocketStream<TcpStream>;

fn options() -> EmulatorOptions {
    let policy =
        PolicyOptions { key_name: "root".into(), key: "key".into(), rights: vec![Right::Manage], path: None };
    EmulatorOptions { shared_access_policies: vec![policy], ..EmulatorOptions::default() }
}

fn start(options: EmulatorOptions) -> (RelayEmulator, mpsc::Receiver<RelayEvent>) {
    let (events, seen) = mpsc::channel();
    let observer = move |event: &RelayEvent| drop(events.send(event.clone()));
    (RelayEmulator::start(options, Arc::new(observer)).expect("a loopback port is free"), seen)
}

/// Closes the relay; what it told, up to its last word.
fn close(relay: &RelayEmulator, events: &mpsc::Receiver<RelayEvent>) -> Vec<RelayEvent> {
    relay.close(false);
    let mut told = Vec::new();
    while told.last() != Some(&RelayEvent::Closed) {
        told.push(events.recv_timeout(Duration::from_secs(20)).expect("the relay stops"));
    }
    told
}

/// Every test ends within a time that only a hang can reach.
fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("it hangs") })
}

async fn dial(relay: &RelayEmulator, target: &str, token: Option<String>) -> Result<ClientSocket, Error> {
    let mut request = format!("ws://{}{target}", relay.authority()).into_client_request()?;
    if let Some(token) = token {
        request.headers_mut().insert("ServiceBusAuthorization", token.parse().unwrap());
    }
    let tcp = TcpStream::connect(relay.address()).await?;
    client_async(request, tcp).await.map(|(socket, _)| socket)
}

async fn listen(relay: &RelayEmulator) -> ClientSocket {
    let token = relay.token("hyco", "root", 60);
    dial(relay, "/$hc/hyco?sb-hc-action=listen", token).await.expect("a listener is admitted")
}

/// The target of the address in the next `accept`.
async fn offer(control: &mut ClientSocket) -> String {
    let message = control.next().await.unwrap().unwrap();
    let value: serde_json::Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    let address = value["accept"]["address"].as_str().unwrap();
    format!("/$hc/{}", address.split_once("/$hc/").unwrap().1)
}

async fn meet(relay: &RelayEmulator, control: &mut ClientSocket) -> (ClientSocket, ClientSocket) {
    let sending = dial(relay, "/$hc/hyco/sub?x=1", relay.token("hyco", "root", 60));
    let accepting = async { dial(relay, &offer(control).await, None).await };
    let (sender, listener) = tokio::join!(sending, accepting);
    (sender.unwrap(), listener.unwrap())
}

fn status(result: Result<ClientSocket, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    }
}

#[test]
fn a_conversation_from_listen_to_close() {
    let (relay, events) = start(options());
    block(async {
        let mut control = listen(&relay).await;
        let (mut sender, mut listener) = meet(&relay, &mut control).await;
        sender.send(Message::text("ü")).await.unwrap();
        assert_eq!(listener.next().await.unwrap().unwrap(), Message::text("ü"));
        let large = vec![7; 3 << 20];
        let sending = listener.send(Message::binary(large.clone()));
        let (sent, received) = tokio::join!(sending, sender.next());
        sent.unwrap();
        assert_eq!(received.unwrap().unwrap(), Message::binary(large));
        sender.send(Message::Ping("p".into())).await.unwrap();
        assert_eq!(sender.next().await.unwrap().unwrap(), Message::Pong("p".into()));
        let goodbye = CloseFrame { code: 4001.into(), reason: "bye".into() };
        sender.close(Some(goodbye.clone())).await.unwrap();
        assert_eq!(listener.next().await.unwrap().unwrap(), Message::Close(Some(goodbye.clone())));
        // tungstenite answers as it goes on reading.
        let (end, answer) = tokio::join!(listener.next(), sender.next());
        assert!(end.is_none());
        assert_eq!(answer.unwrap().unwrap(), Message::Close(Some(goodbye)));
    });
    let names = close(&relay, &events);
    assert!(
        matches!(
            names.as_slice(),
            [
                RelayEvent::Listener { .. },
                RelayEvent::Sender { .. },
                RelayEvent::Rendezvous { .. },
                RelayEvent::RendezvousClosed { sender_code: 4001, listener_code: 4001, .. }
                    | RelayEvent::ListenerClosed { .. },
                RelayEvent::RendezvousClosed { .. } | RelayEvent::ListenerClosed { .. },
                RelayEvent::Closed,
            ]
        ),
        "{names:?}"
    );
}

#[test]
fn who_is_not_admitted_learns_why() {
    let (relay, _) = start(options());
    block(async {
        let target = "/$hc/hyco?sb-hc-action=listen";
        assert_eq!(status(dial(&relay, target, None).await), 401);
        assert_eq!(status(dial(&relay, target, relay.token("hyco", "root", -1)).await), 401);
        assert_eq!(status(dial(&relay, "/$hc/x?sb-hc-action=listen", relay.token("", "root", 9)).await), 404);
        assert_eq!(status(dial(&relay, "/$hc/hyco", relay.token("hyco", "root", 9)).await), 404);
        assert_eq!(status(dial(&relay, "/$hc/hyco?sb-hc-action=accept", None).await), 403);
        assert_eq!(status(dial(&relay, "/$hc/hyco?sb-hc-action=x", None).await), 400);
        assert_eq!(status(dial(&relay, "/hyco", relay.token("hyco", "root", 9)).await), 404);
    });
    assert_eq!(relay.stats().totals.refused, 7);
    assert_eq!(relay.token("hyco", "nobody", 1), None);
}

#[test]
fn a_rejection_is_carried_to_the_sender() {
    let (relay, _) = start(options());
    block(async {
        let mut control = listen(&relay).await;
        let sending = dial(&relay, "/$hc/hyco", relay.token("hyco", "root", 60));
        let rejecting = async {
            let target = offer(&mut control).await;
            let target = format!("{target}&sb-hc-statusCode=418&sb-hc-statusDescription=tea");
            dial(&relay, &target, None).await
        };
        let (sender, listener) = tokio::join!(sending, rejecting);
        assert_eq!((status(sender), status(listener)), (418, 410));
    });
}

#[test]
fn a_reader_that_stalls_stalls_the_writer_in_bounded_memory() {
    let (relay, _) = start(options());
    block(async {
        let mut control = listen(&relay).await;
        let (mut sender, mut listener) = meet(&relay, &mut control).await;
        let piece = vec![1; 1 << 20];
        let mut sent = 0;
        // Only the kernel's buffers and two of the relay's take something up: far less than 256 MiB.
        while sent < 256 {
            let sending = sender.send(Message::binary(piece.clone()));
            if tokio::time::timeout(Duration::from_millis(500), sending).await.is_err() {
                break;
            }
            sent += 1;
        }
        assert!(sent < 64, "{sent} MiB disappeared into the relay");
        // The message that was cut off by the time-out is finished by the flush.
        let (flushed, ()) = tokio::join!(sender.flush(), async {
            for _ in 0..=sent {
                assert_eq!(listener.next().await.unwrap().unwrap().len(), piece.len());
            }
        });
        flushed.unwrap();
    });
}

/// A client's text frame, under the mask 0.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0xfe];
    frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

fn renewal(relay: &RelayEmulator) -> Vec<u8> {
    let token = relay.token("hyco", "root", 60).unwrap();
    text_frame(&serde_json::json!({ "renewToken": { "token": token } }).to_string())
}

/// Connects with a long head and sends `early` right behind it; what comes back up to the end of the connection.
async fn say_early(relay: &RelayEmulator, early: &[u8]) -> Vec<u8> {
    let (token, padding) = (relay.token("hyco", "root", 60).unwrap(), "x".repeat(33_000));
    let head = format!(
        "GET /$hc/hyco?sb-hc-action=listen HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         ServiceBusAuthorization: {token}\r\nX: {padding}\r\n\r\n"
    );
    let mut tcp = TcpStream::connect(relay.address()).await.unwrap();
    tcp.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    answer
}

#[test]
fn what_a_listener_says_with_its_handshake_is_heard_whole() {
    let (relay, _) = start(options());
    block(async {
        // More than one read takes, and the last of it matters.
        let mut early: Vec<u8> = (0..28).flat_map(|_| text_frame(&format!("{:1000}", "{}"))).collect();
        early.extend(renewal(&relay));
        early.extend([0x88, 0x80, 0, 0, 0, 0]);
        let answer = say_early(&relay, &early).await;
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        assert!(answer.ends_with(b"\r\n\r\n\x88\x00"), "the close frame is answered");
    });
    assert_eq!(relay.stats().totals.renewals, 1);
}

#[test]
fn a_breach_of_the_framing_rules_is_the_end_of_the_channel() {
    let (relay, _) = start(EmulatorOptions { close_timeout: 60_000, ..options() });
    block(async {
        // What came before counts; what comes behind is nothing, and nobody waits for it.
        let early = [renewal(&relay), b"\x83\x80\0\0\0\0".to_vec(), renewal(&relay)].concat();
        let answer = say_early(&relay, &early).await;
        let close = answer.windows(4).position(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xea]);
        assert!(close.is_some(), "{}", String::from_utf8_lossy(&answer));
    });
    assert_eq!(relay.stats().totals.renewals, 1);
}

#[test]
fn half_a_head_is_not_waited_for_for_ever() {
    let (relay, _) = start(EmulatorOptions { handshake_timeout: 20, ..options() });
    block(async {
        let mut tcp = TcpStream::connect(relay.address()).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    });
}

#[test]
fn closing_says_goodbye_and_force_does_not() {
    for force in [false, true] {
        let (relay, events) = start(options());
        block(async {
            let mut control = listen(&relay).await;
            relay.close(force);
            let code = match control.next().await {
                Some(Ok(Message::Close(Some(frame)))) => Some(u16::from(frame.code)),
                _ => None,
            };
            assert_eq!(code, (!force).then_some(1001));
        });
        assert_eq!(close(&relay, &events).last(), Some(&RelayEvent::Closed));
    }
}

#[test]
fn a_port_in_use_is_reported_as_the_system_names_it() {
    let (relay, _) = start(options());
    let error = RelayEmulator::start(
        EmulatorOptions { port: relay.address().port(), ..options() },
        Arc::new(|_: &RelayEvent| {}),
    )
    .err()
    .expect("the port is taken");
    assert_eq!(error.system.as_ref().map(|system| system.code.as_ref()), Some("EADDRINUSE"));
    assert!(!format!("{:?}", options()).contains("key\""), "a key in Debug");
}
