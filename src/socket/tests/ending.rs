//! How connections end.

use super::*;

const RESET: u16 = 1;
const PIPE: u16 = 2;

#[tokio::test]
async fn ours_first() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.send(BINARY, b"last");
        rig.socket.shutdown();
        assert_eq!(rig.peer.frame().await.payload, b"last");
        rig.peer.expect_end().await;
        // Theirs is still open.
        rig.peer.send(OpCode::Text, b"more").await;
        assert_eq!(rig.inbox.expect(Kind::Text).await.payload, b"more");
        rig.peer.end().await;
        rig.inbox.expect(Kind::End).await;
        assert_eq!(rig.inbox.closed(0).await, 0);
    }
}

#[tokio::test]
async fn theirs_first() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.peer.end().await;
        rig.inbox.expect(Kind::End).await;
        rig.send(BINARY, b"last");
        rig.socket.shutdown();
        assert_eq!(rig.peer.frame().await.payload, b"last");
        rig.peer.expect_end().await;
        assert_eq!(rig.inbox.closed(0).await, 0);
    }
}

#[tokio::test]
async fn ours_waits_for_what_is_unwritten() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let payload = pattern(20 << 20, 9);
        rig.send(RECEIPT, &payload);
        rig.socket.shutdown();
        assert!(rig.peer.frame().await.payload == payload);
        rig.peer.expect_end().await;
        rig.inbox.receipts(1).await;
        rig.peer.end().await;
        rig.inbox.expect(Kind::End).await;
        rig.inbox.closed(0).await;
    }
}

#[tokio::test]
async fn without_close_notify() {
    let mut rig = Rig::open(&Setup::tls()).await;
    rig.peer.send(OpCode::Text, b"cut").await;
    SockRef::from(rig.peer.io.tcp()).shutdown(std::net::Shutdown::Write).unwrap();
    rig.inbox.expect(Kind::Text).await;
    rig.inbox.expect(Kind::End).await;
    rig.socket.shutdown();
    rig.peer.expect_end().await;
    rig.inbox.closed(0).await;
}

#[tokio::test]
async fn by_close_notify_alone() {
    let mut rig = Rig::open(&Setup::tls()).await;
    // The peer's FIN follows only after ours.
    let (tcp, connection) = tls_parts(&mut rig.peer);
    connection.send_close_notify();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    tcp.write_all(&bytes).await.unwrap();
    rig.inbox.expect(Kind::End).await;
    rig.socket.shutdown();
    rig.inbox.closed(0).await;
    rig.peer.expect_end().await;
}

fn tls_parts(peer: &mut Peer) -> (&mut TcpStream, &mut rustls::ServerConnection) {
    peer.io.tls().unwrap()
}

#[tokio::test]
async fn by_terminate() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.socket.terminate();
        assert_eq!(rig.inbox.closed(0).await, 0);
        let _ = rig.peer.io.read_to_end(&mut Vec::new()).await;
        rig.task.await.unwrap();
        assert_eq!(Arc::strong_count(&rig.socket), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn by_terminate_with_much_unwritten() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.send(RECEIPT, &pattern(32 << 20, 0));
        settle().await;
        let unwritten = rig.socket.buffered_amount();
        rig.socket.terminate();
        assert_eq!(rig.inbox.closed(0).await as usize, unwritten);
        assert_eq!(rig.socket.buffered_amount(), 0);
        rig.send(RECEIPT, b"nobody is there");
        assert_eq!(rig.socket.buffered_amount(), 21, "told when the slot is released");
    }
}

#[tokio::test(start_paused = true)]
async fn by_the_limit_of_the_closing_handshake() {
    let mut rig = Rig::open(&Setup::default()).await;
    let started = Instant::now();
    rig.send(Outline { opcode: OpCode::Close, ..BINARY }, b"");
    rig.socket.close_within(Duration::from_secs(30));
    assert_eq!(rig.peer.frame().await.first, 0x88);
    rig.inbox.closed(0).await;
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&started.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn by_that_limit_while_paused_and_blocked() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.socket.pause();
    rig.send(BINARY, &pattern(32 << 20, 0));
    rig.socket.shutdown();
    rig.socket.close_within(Duration::from_secs(30));
    assert!(rig.inbox.closed(0).await > 0);
}

#[tokio::test]
async fn by_a_reset() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.peer.send(OpCode::Text, b"before").await;
        rig.inbox.expect(Kind::Text).await;
        rig.peer.reset();
        rig.inbox.closed(RESET).await;
        rig.task.await.unwrap();
    }
}

#[tokio::test]
async fn by_a_reset_that_a_write_meets() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.socket.pause();
    tokio::task::yield_now().await;
    rig.peer.reset();
    rig.socket.send(&mut rig.keys).frame(RECEIPT, b"x");
    let record = rig.inbox.expect(Kind::Closed).await;
    assert!([RESET, PIPE].contains(&record.detail));
    assert_eq!(record.count, 7);
}

/// Frame errors close in order: what comes behind is discarded, however much, until the peer ends.
#[tokio::test]
async fn after_a_protocol_error() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let bytes = [
            encode(OpCode::Text, b"good"),
            vec![0xf1, 0],
            encode(OpCode::Binary, &pattern(100, 1)).repeat(10_000),
        ]
        .concat();
        let Rig { peer, inbox, .. } = &mut rig;
        let reads = async {
            inbox.expect(Kind::Text).await;
            let error = inbox.expect(Kind::Error).await.json();
            assert_eq!(error["code"], "WS_ERR_UNEXPECTED_RSV_2_3");
            assert_eq!(error["status"], 1002);
        };
        tokio::join!(peer.write(&bytes), reads);
        rig.send(Outline { opcode: OpCode::Close, ..RECEIPT }, &[3, 0xea]);
        assert_eq!(rig.peer.frame().await, Frame { first: 0x88, payload: vec![3, 0xea] });
        rig.inbox.receipts(1).await;
        rig.peer.write(&encode(OpCode::Text, b"ignored").repeat(10_000)).await;
        rig.finish().await;
    }
}

#[tokio::test]
async fn after_a_protocol_error_that_came_with_the_answer() {
    for setup in both() {
        let early = [vec![0xf1, 0], encode(OpCode::Binary, &pattern(100, 1)).repeat(300)].concat();
        let mut rig = Rig::open_with(&setup, "", &early).await;
        rig.inbox.expect(Kind::Error).await;
        rig.peer.write(&encode(OpCode::Text, b"ignored").repeat(10_000)).await;
        rig.finish().await;
    }
}

#[tokio::test]
async fn by_close_frames() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.peer.write(&[0x88, 5, 0x0f, 0xa1, b'b', b'y', b'e', 0x81, 1, b'x']).await;
        let close = rig.inbox.expect(Kind::Close).await;
        assert_eq!((close.detail, close.payload.as_slice()), (4001, b"bye".as_slice()));
        rig.finish().await;
    }
}

#[tokio::test]
async fn with_a_peer_that_sends_garbage_under_tls() {
    let mut rig = Rig::open(&Setup::tls()).await;
    let (tcp, _) = tls_parts(&mut rig.peer);
    tcp.write_all(&[23, 3, 3, 0, 32]).await.unwrap();
    tcp.write_all(&[0; 32]).await.unwrap();
    rig.inbox.closed(RESET).await;
}
