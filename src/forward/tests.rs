//! Streams against a peer that speaks the protocol by hand, with a target on loopback.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::failure::StreamFailure;
use super::pump::StreamPump;
use super::tally::StreamTally;
use super::wire::{READ, RelayedWire};
use super::*;
use crate::error::ErrorKind;
use crate::frame::{self, FramePiece, FrameReader, OpCode, Role};
use crate::http::HeaderLines;
use crate::keep_alive::{KeepAlive, KeepAliveMode};
use crate::socket::Tuning;
use crate::transport::DialRequest;

const KEEP_ALIVE: KeepAlive = KeepAlive {
    interval: Duration::from_secs(30),
    timeout: Duration::from_secs(60),
    mode: KeepAliveMode::Ping,
};

fn options(keep_alive: Option<KeepAlive>) -> ForwardOptions {
    let second = Duration::from_secs(1);
    let tuning = Tuning { spin: false, ..Tuning::default() };
    ForwardOptions { connect_timeout: second, preamble_timeout: second, keep_alive, tuning }
}

/// The relay's side of a connection.
struct RelaySide {
    tcp: TcpStream,
    frames: FrameReader,
}

impl RelaySide {
    async fn send(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, opcode, fin, false, None, payload);
        self.tcp.write_all(&bytes).await.unwrap();
    }

    async fn close(&mut self, code: u16, reason: &str) {
        self.send(OpCode::Close, true, &[&code.to_be_bytes(), reason.as_bytes()].concat()).await;
    }

    /// What comes until a close frame, or until the connection ends: payload, pings, and that frame's payload.
    async fn hear(&mut self) -> (Vec<u8>, usize, Option<Vec<u8>>) {
        let (mut payload, mut pings, mut close) = (Vec::new(), 0, None);
        let mut buffer = vec![0; 4096];
        while close.is_none() {
            let Ok(count @ 1..) = self.tcp.read(&mut buffer).await else { break };
            let mut rest = &mut buffer[..count];
            while let Some(piece) = self.frames.next(&mut rest).unwrap() {
                match piece {
                    FramePiece::Payload(bytes) => payload.extend_from_slice(bytes),
                    FramePiece::Control(OpCode::Ping, _) => pings += 1,
                    FramePiece::Control(OpCode::Close, bytes) => close = Some(bytes),
                    _ => {}
                }
            }
        }
        (payload, pings, close)
    }
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialled = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (dialled, listener.accept().await.unwrap().0)
}

/// A relayed connection, and the relay's side of it, which says `early` together with its handshake.
async fn wire(early: &[u8]) -> (RelayedWire, RelaySide) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = DialRequest {
        secure: false,
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        target: "/".to_owned().into(),
        head: HeaderLines::default(),
        tls: None,
        server_name: None,
        proxy: None,
        admission: None,
        handshake_timeout: None,
    };
    let answer = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            tcp.read_buf(&mut head).await.unwrap();
        }
        let text = String::from_utf8(head).unwrap();
        let key =
            text.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        tcp.write_all(&[head.as_bytes(), early].concat()).await.unwrap();
        RelaySide { tcp, frames: FrameReader::new(Role::Server, false) }
    };
    let (wire, side) = tokio::join!(RelayedWire::open(&mut request, &[], Tuning::default()), answer);
    (wire.unwrap(), side)
}

/// A stream that is open, and what is at its two ends.
async fn stream(keep_alive: Option<KeepAlive>) -> (StreamPump, RelaySide, TcpStream) {
    let (wire, relay) = wire(&[]).await;
    let (local, target) = tcp_pair().await;
    let tally = Arc::new(StreamTally::default());
    (StreamPump::new(wire, local.into(), Vec::new(), &options(keep_alive), tally), relay, target)
}

async fn run(pump: &mut StreamPump) -> Result<(), StreamFailure> {
    std::future::poll_fn(|cx| pump.poll(cx)).await
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The kind of a failure, and what the peer is told.
fn told(outcome: Result<(), StreamFailure>) -> (ErrorKind, Option<u16>) {
    let failure = outcome.expect_err("it should fail");
    (failure.error.kind, failure.close.map(|(code, _)| code))
}

#[test]
fn bytes_pass_whatever_messages_they_come_in() {
    block(async {
        let (mut pump, mut relay, mut target) = stream(None).await;
        let large: Vec<u8> = (0..300_000).map(|at| at as u8).collect();
        let peer = async {
            relay.send(OpCode::Text, true, b"text ").await;
            relay.send(OpCode::Binary, false, b"begun ").await;
            relay.send(OpCode::Ping, true, b"?").await;
            relay.send(OpCode::Continuation, true, b"ended ").await;
            relay.send(OpCode::Binary, true, b"").await;
            relay.send(OpCode::Binary, true, &large).await;
            relay.close(1000, "Shutdown").await;
            relay.hear().await
        };
        let local = async {
            let mut got = Vec::new();
            target.read_to_end(&mut got).await.unwrap();
            target.write_all(b"answer").await.unwrap();
            target.shutdown().await.unwrap();
            got
        };
        let (outcome, (answer, _, close), got) = tokio::join!(run(&mut pump), peer, local);
        assert!(outcome.is_ok());
        assert_eq!(got, [&b"text begun ended "[..], &large].concat());
        assert_eq!(answer, b"answer");
        assert_eq!(close.as_deref(), Some(&b"\x03\xe8Shutdown"[..]));
    });
}

#[test]
fn what_came_with_the_handshake_is_not_lost() {
    block(async {
        let mut early = Vec::new();
        frame::encode(&mut early, OpCode::Binary, true, false, None, b"early");
        let (wire, mut relay) = wire(&early).await;
        let (local, mut target) = tcp_pair().await;
        let tally = Arc::new(StreamTally::default());
        let mut pump =
            StreamPump::new(wire, local.into(), b"even ".to_vec(), &options(None), Arc::clone(&tally));
        let mut got = [0; 10];
        tokio::select! {
            _ = run(&mut pump) => panic!("it has ended"),
            read = target.read_exact(&mut got) => drop(read.unwrap()),
        }
        assert_eq!(&got, b"even early");
        assert_eq!(tally.read(), (10, 0));
        relay.close(1000, "").await;
    });
}

#[test]
fn a_target_that_never_reads_holds_one_read_of_its_sender() {
    block(async {
        let (mut pump, mut relay, _target) = stream(None).await;
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, OpCode::Binary, true, false, None, &vec![7; 100_000]);
        // Until nobody takes any more.
        let flood = async { while relay.tcp.write_all(&bytes).await.is_ok() {} };
        tokio::select! {
            _ = run(&mut pump) => panic!("it has ended"),
            () = flood => panic!("the relay's connection has ended"),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        assert!((1..=READ).contains(&pump.waiting()), "{} bytes wait", pump.waiting());
    });
}

#[test]
fn a_peer_that_never_reads_holds_one_frame_of_the_target() {
    block(async {
        let (mut pump, _relay, mut target) = stream(None).await;
        let flood = async { while target.write_all(&[7; 100_000]).await.is_ok() {} };
        tokio::select! {
            _ = run(&mut pump) => panic!("it has ended"),
            () = flood => panic!("the target's connection has ended"),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        let (wire, _) = pump.into_ends();
        assert!((1..=READ).contains(&wire.unwritten()), "{} bytes wait", wire.unwritten());
    });
}

#[test]
fn only_an_end_that_is_one_ends_the_target_in_order() {
    for (code, reason, failed) in [
        (1000, "", None),
        (1000, "anything", None),
        (1001, "", None),
        (1001, "Shutdown", None),
        (1008, "no", Some((ErrorKind::Refused, Some(1000)))),
        (1011, "", Some((ErrorKind::Refused, Some(1000)))),
        (4000, "own", Some((ErrorKind::Refused, Some(1000)))),
    ] {
        block(async {
            let (mut pump, mut relay, mut target) = stream(None).await;
            relay.close(code, reason).await;
            let local = async {
                let _ = target.read_to_end(&mut Vec::new()).await;
                target.shutdown().await
            };
            let outcome = tokio::select! {
                outcome = run(&mut pump) => outcome,
                _ = async { local.await.unwrap(); std::future::pending::<()>().await } => unreachable!(),
            };
            assert_eq!(outcome.is_err().then(|| told(outcome)), failed, "{code} {reason}");
        });
    }
}

#[test]
fn a_sender_that_is_gone_is_told_from_one_that_has_ended() {
    for gone in [true, false] {
        block(async {
            let (mut pump, mut relay, mut target) = stream(None).await;
            relay.close(1001, "The sender is gone.").await;
            tokio::time::pause();
            if gone {
                drop(relay);
                assert_eq!(told(run(&mut pump).await), (ErrorKind::Disconnected, None));
                return;
            }
            let mut got = Vec::new();
            let local = async {
                target.read_to_end(&mut got).await.unwrap();
                target.shutdown().await.unwrap();
            };
            let (outcome, ()) = tokio::join!(run(&mut pump), local);
            assert!(outcome.is_ok());
        });
    }
}

#[test]
fn a_connection_that_ends_without_a_close_frame_is_lost() {
    block(async {
        let (mut pump, mut relay, _target) = stream(None).await;
        relay.send(OpCode::Binary, true, b"half").await;
        drop(relay);
        assert_eq!(told(run(&mut pump).await), (ErrorKind::Disconnected, None));
    });
}

#[test]
fn frames_that_break_the_rules_end_it() {
    block(async {
        let (mut pump, mut relay, _target) = stream(None).await;
        relay.tcp.write_all(b"\xf2\x00").await.unwrap();
        assert_eq!(told(run(&mut pump).await), (ErrorKind::Protocol, Some(1002)));
    });
}

#[test]
fn a_stream_that_is_half_open_may_be_silent_for_a_minute() {
    for local_ends in [true, false] {
        block(async {
            let (mut pump, mut relay, mut target) = stream(Some(KEEP_ALIVE)).await;
            if local_ends {
                target.shutdown().await.unwrap();
            } else {
                relay.close(1000, "").await;
            }
            let start = tokio::time::Instant::now();
            tokio::time::pause();
            assert_eq!(told(run(&mut pump).await), (ErrorKind::Timeout, Some(1011)));
            let silent = start.elapsed().as_secs();
            assert!((60..=61).contains(&silent), "{silent} s");
        });
    }
}

#[test]
fn a_peer_that_answers_no_ping_is_dead_but_not_while_nobody_listens() {
    block(async {
        let (mut pump, mut relay, _target) = stream(Some(KEEP_ALIVE)).await;
        tokio::time::pause();
        assert_eq!(told(run(&mut pump).await), (ErrorKind::Timeout, None));
        drop(pump);
        let (_, pings, _) = relay.hear().await;
        assert!((1..=2).contains(&pings), "{pings} pings");

        let (mut pump, mut relay, _target) = stream(Some(KEEP_ALIVE)).await;
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, OpCode::Binary, true, false, None, &vec![7; 100_000]);
        let flood = async { while relay.tcp.write_all(&bytes).await.is_ok() {} };
        tokio::pin!(flood);
        tokio::time::resume();
        // Now the target is full.
        tokio::select! {
            _ = run(&mut pump) => panic!("it has ended"),
            () = &mut flood => panic!("the relay's connection has ended"),
            () = tokio::time::sleep(Duration::from_millis(500)) => tokio::time::pause(),
        }
        tokio::select! {
            _ = run(&mut pump) => panic!("it has ended"),
            () = &mut flood => panic!("the relay's connection has ended"),
            () = tokio::time::sleep(Duration::from_secs(600)) => {}
        }
    });
}

#[test]
fn a_target_that_resets_is_told_from_one_that_ends() {
    block(async {
        let (mut pump, _relay, target) = stream(None).await;
        target.set_zero_linger().unwrap();
        drop(target);
        let failure = run(&mut pump).await.expect_err("it should fail");
        assert_eq!(failure.close.map(|(code, _)| code), Some(1011));
        assert_eq!(
            failure.error.system.map(|system| system.code.into_owned()).as_deref(),
            Some("ECONNRESET")
        );
    });
}

#[test]
fn a_target_that_does_not_answer_is_given_up() {
    block(async {
        tokio::time::pause();
        // Nobody is there, and no router says so.
        let target = StreamTarget::Tcp("192.0.2.1".into(), 9);
        let outcome = target.connect(Duration::from_secs(10)).await;
        let kind = outcome.expect_err("nobody is there").kind;
        assert!(matches!(kind, ErrorKind::Timeout | ErrorKind::Network), "{kind:?}");
    });
}

#[test]
fn a_target_is_dialled_from_the_address_that_was_given() {
    block(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let limit = Duration::from_secs(10);
        // Of the other family there is none, and 192.0.2.1 is nobody's.
        for (address, reached) in
            [("127.0.0.1", true), ("0.0.0.0", true), ("::1", false), ("192.0.2.1", false)]
        {
            let from = address.parse().expect("an address");
            let outcome = StreamTarget::TcpFrom(from, "127.0.0.1".into(), port).connect(limit).await;
            assert_eq!(
                outcome.map(|_| ()).map_err(|error| error.kind),
                reached.then_some(()).ok_or(ErrorKind::Network)
            );
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pieces_of_all_sizes_arrive_in_order(sizes in proptest::collection::vec(0usize..70_000, 1..12), text in any::<bool>()) {
        block(async {
            let (mut pump, mut relay, mut target) = stream(None).await;
            let mut expected = Vec::new();
            let mut number = 0u8;
            let peer = async {
                for size in sizes {
                    let bytes: Vec<u8> = (0..size).map(|at| (at as u8).wrapping_mul(7) ^ number).collect();
                    number = number.wrapping_add(1);
                    expected.extend_from_slice(&bytes);
                    relay.send(if text { OpCode::Text } else { OpCode::Binary }, true, &bytes).await;
                }
                relay.close(1000, "").await;
                relay.hear().await
            };
            let local = async {
                let mut got = Vec::new();
                // Now and then less than there is.
                while target.read_buf(&mut got).await.unwrap() > 0 {
                    tokio::task::yield_now().await;
                }
                target.write_all(&got).await.unwrap();
                target.shutdown().await.unwrap();
                got
            };
            let (outcome, (back, ..), got) = tokio::join!(run(&mut pump), peer, local);
            prop_assert!(outcome.is_ok());
            prop_assert!(got == expected);
            prop_assert!(back == expected);
            Ok(())
        })?;
    }
}
