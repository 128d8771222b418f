//! What a socket counts.

use super::*;

#[tokio::test]
async fn counts_messages_and_bytes_in_both_directions() {
    for setup in both() {
        let mut rig = Rig::open_with(&setup, "", &encode(OpCode::Text, b"early")).await;
        rig.inbox.expect(Kind::Text).await;
        rig.peer.send(OpCode::Ping, b"").await;
        rig.inbox.expect(Kind::Ping).await;
        // Straight into its own buffer.
        rig.peer.send(OpCode::Binary, &pattern(100_000, 1)).await;
        rig.inbox.expect(Kind::Binary).await;

        rig.send(Outline { fin: false, ..BINARY }, b"one");
        rig.send(Outline { opcode: OpCode::Continuation, ..RECEIPT }, b"two");
        rig.send(Outline { opcode: OpCode::Ping, ..RECEIPT }, b"?");
        rig.inbox.receipts(2).await;

        let expected = SocketStats {
            messages_sent: 1,
            bytes_sent: 6,
            // A header of two bytes and a key of four for each frame.
            wire_bytes_sent: 3 * 6 + 7,
            messages_received: 2,
            bytes_received: 100_005,
            wire_bytes_received: 100_005 + 2 + 2 + 10,
            held: 0,
            rtt: None,
        };
        assert_eq!(rig.socket.stats(), expected);
        let socket = Arc::clone(&rig.socket);
        rig.peer.end().await;
        rig.inbox.expect(Kind::End).await;
        rig.socket.shutdown();
        rig.inbox.closed(0).await;
        assert_eq!(socket.stats(), expected, "nothing is forgotten when the connection ends");
    }
}

#[test]
fn sums_have_each_number_in_its_own_place() {
    let one = SocketStats {
        messages_sent: 1,
        bytes_sent: 2,
        wire_bytes_sent: 3,
        messages_received: 4,
        bytes_received: 5,
        wire_bytes_received: 6,
        held: 7,
        rtt: Some(Duration::from_secs(8)),
    };
    let mut sums = Carried::default();
    sums.add(&one);
    sums.add(&one);
    let expected = serde_json::json!({
        "messagesSent": 2, "bytesSent": 4, "wireBytesSent": 6,
        "messagesReceived": 8, "bytesReceived": 10, "wireBytesReceived": 12,
    });
    assert_eq!(serde_json::to_value(sums).unwrap(), expected);
}

#[tokio::test]
async fn knows_what_javascript_has_not_taken() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.peer.send(OpCode::Binary, &[7; 1000]).await;
    rig.inbox.woken.notified().await;
    assert!(rig.socket.stats().held >= 1000);
    rig.inbox.expect(Kind::Binary).await;
    rig.inbox.drain();
    assert_eq!(rig.socket.stats().held, 0);
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn measures_how_long_a_keep_alive_ping_takes() {
    let interval = Duration::from_secs(30);
    let mut setup = Setup::default();
    setup.options.keep_alive =
        Some(KeepAlive { interval, timeout: Duration::ZERO, mode: KeepAliveMode::Ping });
    let mut rig = Rig::open(&setup).await;
    assert_eq!(rig.peer.frame().await.first, 0x89);
    assert_eq!(rig.socket.stats().rtt, None);
    // The answer takes longer than the interval, so that two pings are on their way: the first one counts.
    assert_eq!(rig.peer.frame().await.first, 0x89);
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.peer.send(OpCode::Pong, b"").await;
    settle().await;
    assert_eq!(rig.socket.stats().rtt.map(|rtt| rtt.as_secs()), Some(35));
    // To the nanosecond.
    let rtt = Duration::new(1, 234_567_891);
    rig.socket.received.measured(rtt);
    assert_eq!(rig.socket.stats().rtt, Some(rtt));
    rig.finish().await;
}
