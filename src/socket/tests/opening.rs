//! Dials: what comes of them, and how they are given up.

use super::*;

#[tokio::test]
async fn reports_what_was_agreed() {
    for tls in [false, true] {
        let setup = Setup { tls, protocols: vec!["a".into()], ..Setup::default() };
        let mut rig = Rig::dial(&setup).await;
        rig.peer.upgrade("Sec-WebSocket-Protocol: a\r\nX-Relay: yes\r\n", b"").await;
        let report = rig.inbox.expect(Kind::Open).await.json();
        assert_eq!(report["protocol"], "a");
        assert_eq!(report["extensions"], serde_json::Value::Null);
        assert_eq!(report["response"]["status"], 101);
        assert_eq!(report["secure"], tls);
        let peer = rig.peer.io.tcp();
        let (local, remote) = (peer.peer_addr().unwrap(), peer.local_addr().unwrap());
        assert_eq!(rig.socket.addresses(), format!("{local} {remote}"));
        rig.finish().await;
    }
}

#[tokio::test]
async fn says_nothing_of_what_is_taken_for_granted() {
    let (listener, port) = listen().await;
    let mut inbox = Inbox::new(usize::MAX);
    let setup = Setup::default();
    let socket = Socket::new(SLOT, Arc::clone(&inbox.delivery), setup.options.clone(), setup.tuning);
    let opening = Opening { tells_head: false, ..opening(&setup, port) };
    let task = tokio::spawn(run(Arc::clone(&socket), opening));
    let mut peer = Peer::accept(&listener, false).await;
    peer.upgrade("X-Relay: yes\r\n", b"").await;
    assert_eq!(inbox.expect(Kind::Open).await.payload, b"");
    socket.terminate();
    task.await.unwrap();
}

#[tokio::test]
async fn messages_that_came_with_the_answer_follow_it() {
    for setup in both() {
        let early = [encode(OpCode::Text, b"one"), encode(OpCode::Binary, &pattern(40_000, 1))].concat();
        let mut rig = Rig::open_with(&setup, "", &early).await;
        assert_eq!(rig.inbox.expect(Kind::Text).await.payload, b"one");
        assert_eq!(rig.inbox.expect(Kind::Binary).await.payload, pattern(40_000, 1));
        rig.finish().await;
    }
}

#[tokio::test]
async fn an_end_that_came_with_the_answer_follows_it() {
    for setup in both() {
        let mut rig = Rig::dial(&setup).await;
        rig.peer.upgrade("", &encode(OpCode::Text, b"bye")).await;
        rig.peer.end().await;
        rig.inbox.expect(Kind::Open).await;
        rig.inbox.expect(Kind::Text).await;
        rig.inbox.expect(Kind::End).await;
        rig.socket.shutdown();
        rig.inbox.closed(0).await;
        rig.peer.expect_end().await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_the_handshake_fails() {
    let mut rig = Rig::dial(&Setup::default()).await;
    rig.peer.upgrade("Sec-WebSocket-Protocol: unasked\r\n", b"").await;
    let report = rig.inbox.expect(Kind::Failed).await.json();
    assert_eq!(report["error"]["message"], "Server sent a subprotocol but none was requested");
    assert_eq!(report["response"]["status"], 101);
    rig.inbox.closed(0).await;
    rig.task.await.unwrap();
}

#[tokio::test]
async fn a_refused_dial_fails() {
    let (listener, port) = listen().await;
    drop(listener);
    let mut inbox = Inbox::new(usize::MAX);
    let setup = Setup::default();
    let socket = Socket::new(SLOT, Arc::clone(&inbox.delivery), setup.options.clone(), setup.tuning);
    run(socket, opening(&setup, port)).await;
    let report = inbox.expect(Kind::Failed).await.json();
    assert_eq!(report["error"]["system"]["code"], "ECONNREFUSED");
    inbox.closed(0).await;
}

#[tokio::test]
async fn a_peer_that_hangs_up_fails_the_dial() {
    let mut rig = Rig::dial(&Setup::default()).await;
    rig.peer.end().await;
    let report = rig.inbox.expect(Kind::Failed).await.json();
    assert_eq!(report["error"]["system"]["code"], "ECONNRESET");
    rig.inbox.closed(0).await;
}

#[tokio::test]
async fn a_terminated_dial_just_closes() {
    let mut rig = Rig::dial(&Setup::default()).await;
    rig.socket.terminate();
    rig.inbox.closed(0).await;
    rig.peer.expect_end().await;
}

#[tokio::test]
async fn frames_sent_before_the_connection_stands_go_out_when_it_does() {
    for setup in both() {
        let mut rig = Rig::dial(&setup).await;
        rig.send(RECEIPT, b"early");
        assert_eq!(rig.socket.buffered_amount(), 11);
        rig.peer.upgrade("", b"").await;
        assert_eq!(rig.peer.frame().await.payload, b"early");
        rig.inbox.expect(Kind::Open).await;
        rig.inbox.receipts(1).await;
        rig.finish().await;
    }
}

async fn refused(setup: &Setup, rest: &str) -> Rig {
    let mut rig = Rig::dial(setup).await;
    rig.peer.write(format!("HTTP/1.1 404 Not Found\r\n{rest}").as_bytes()).await;
    let report = rig.inbox.expect(Kind::Response).await.json();
    assert_eq!(report["response"]["status"], 404);
    assert_eq!(report["response"]["reason"], "Not Found");
    assert_eq!(report["error"]["statusCode"], 404);
    rig
}

#[tokio::test]
async fn the_body_of_another_answer_comes_to_those_who_ask() {
    for setup in both() {
        let mut rig = refused(&setup, "Content-Length: 8\r\n\r\nno").await;
        rig.socket.want_body();
        assert_eq!(rig.inbox.expect(Kind::Body).await.payload, b"no");
        rig.peer.write(b" entry").await;
        assert_eq!(rig.inbox.expect(Kind::Body).await.payload, b" entry");
        rig.inbox.expect(Kind::BodyEnd).await;
        rig.inbox.closed(0).await;
    }
}

#[tokio::test]
async fn nobody_has_to_ask_for_the_body() {
    let mut rig = refused(&Setup::default(), "Content-Length: 8\r\n\r\nno").await;
    rig.socket.terminate();
    rig.inbox.closed(0).await;
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_end() {
    let mut rig = refused(&Setup::default(), "Content-Length: 8\r\n\r\nno").await;
    rig.socket.want_body();
    rig.inbox.expect(Kind::Body).await;
    rig.peer.end().await;
    rig.inbox.closed(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_while_its_reader_does() {
    let mut rig = refused(&Setup::default(), "Content-Length: 4\r\n\r\n").await;
    rig.socket.pause();
    rig.socket.want_body();
    rig.peer.write(b"body").await;
    settle().await;
    rig.inbox.drain();
    assert_eq!(rig.inbox.records, []);
    rig.socket.resume();
    assert_eq!(rig.inbox.expect(Kind::Body).await.payload, b"body");
    rig.inbox.expect(Kind::BodyEnd).await;
    rig.inbox.closed(0).await;
}

#[test]
fn an_idle_socket_is_small() {
    let delivery = Arc::new(Delivery::new(usize::MAX, || ()));
    let setup = Setup::default();
    let socket = Socket::new(0, delivery, setup.options.clone(), Tuning::default());
    let task = run(socket, opening(&setup, 1));
    assert!(size_of_val(&task) <= 512, "{}", size_of_val(&task));
    assert!(size_of::<Socket>() <= 416, "{}", size_of::<Socket>());
}
