//! Pings of our own, silent peers, and whose a pong is.

use super::*;

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: u16 = 3;

fn setup(timeout: u64, pong: bool) -> Setup {
    let mut setup = Setup::default();
    let mode = if pong { KeepAliveMode::Pong } else { KeepAliveMode::Ping };
    setup.options.keep_alive =
        Some(KeepAlive { interval: INTERVAL, timeout: Duration::from_secs(timeout), mode });
    setup
}

#[tokio::test(start_paused = true)]
async fn pings_an_idle_peer() {
    for (pong, first) in [(false, 0x89), (true, 0x8a)] {
        let mut rig = Rig::open(&setup(0, pong)).await;
        let started = Instant::now();
        for beat in 1..=3 {
            assert_eq!(rig.peer.frame().await, Frame { first, payload: Vec::new() });
            assert_eq!(started.elapsed().as_secs(), beat * 30);
        }
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn gives_a_silent_peer_up() {
    let mut rig = Rig::open(&setup(75, false)).await;
    let started = Instant::now();
    rig.inbox.closed(TIMEOUT).await;
    assert_eq!(started.elapsed().as_secs(), 75);
    for _ in 0..2 {
        assert_eq!(rig.peer.frame().await.first, 0x89);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_peer_sends_is_a_sign_of_life() {
    let mut rig = Rig::open(&setup(75, false)).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        rig.peer.send(OpCode::Text, b"x").await;
        rig.inbox.expect(Kind::Text).await;
    }
    rig.inbox.closed(TIMEOUT).await;
}

/// The clock goes on, and nobody looks at it until it is over.
async fn freeze(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_time_in_which_we_did_not_run_is_no_silence() {
    for (pong, first) in [(false, 0x89), (true, 0x8a)] {
        // Just begun, near the first ping, behind it, and as good as dead.
        for awake in [1, 29, 31, 74] {
            let mut rig = Rig::open(&setup(75, pong)).await;
            tokio::time::sleep(Duration::from_secs(awake)).await;
            freeze(HOUR).await;
            for _ in 0..=awake / 30 {
                assert_eq!(rig.peer.frame().await.first, first);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            rig.inbox.drain();
            assert_eq!(rig.inbox.records, []);
            // A peer that lives has its time to say so, and one that is gone is found.
            rig.peer.send(OpCode::Text, b"alive").await;
            rig.inbox.expect(Kind::Text).await;
            let started = Instant::now();
            rig.inbox.closed(TIMEOUT).await;
            assert_eq!(started.elapsed().as_secs(), 75);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_pinged_before_it_is_given_up() {
    let mut rig = Rig::open(&setup(10, false)).await;
    let started = Instant::now();
    rig.inbox.closed(TIMEOUT).await;
    assert_eq!(started.elapsed().as_secs(), 45, "an interval until the ping, and half of one for its answer");
    assert_eq!(rig.peer.frame().await.first, 0x89);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_closing_handshake_waits_for_what_came_while_we_did_not_run() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.socket.close_within(Duration::from_secs(30));
    settle().await;
    freeze(HOUR).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.peer.send(OpCode::Close, b"").await;
    rig.inbox.expect(Kind::Close).await;
    rig.inbox.closed(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_socket_does_not_miss_its_peer() {
    let mut rig = Rig::open(&setup(75, false)).await;
    rig.socket.pause();
    tokio::time::sleep(HOUR).await;
    rig.inbox.drain();
    assert_eq!(rig.inbox.records, []);
    rig.socket.resume();
    let resumed = Instant::now();
    rig.inbox.closed(TIMEOUT).await;
    assert_eq!(resumed.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn keeps_the_answers_to_its_own_pings() {
    let mut rig = Rig::open(&setup(75, false)).await;
    for _ in 0..3 {
        assert_eq!(rig.peer.frame().await.first, 0x89);
        rig.peer.send(OpCode::Pong, b"").await;
    }
    // Other pongs are the user's, and so is the answer to his own empty ping.
    rig.peer.send(OpCode::Pong, b"not ours").await;
    assert_eq!(rig.inbox.expect(Kind::Pong).await.payload, b"not ours");
    rig.send(Outline { opcode: OpCode::Ping, ..BINARY }, b"");
    assert_eq!(rig.peer.frame().await.first, 0x89);
    rig.peer.send(OpCode::Pong, b"").await;
    assert_eq!(rig.inbox.expect(Kind::Pong).await.payload, b"");
    rig.socket.terminate();
    rig.inbox.closed(0).await;
}

#[tokio::test(start_paused = true)]
async fn is_silent_after_our_close_frame() {
    let mut rig = Rig::open(&setup(0, false)).await;
    rig.send(Outline { opcode: OpCode::Close, ..BINARY }, b"");
    rig.socket.close_within(HOUR);
    assert_eq!(rig.peer.frame().await.first, 0x88);
    let started = Instant::now();
    rig.inbox.closed(0).await;
    assert_eq!(started.elapsed(), HOUR);
    rig.peer.expect_end().await;
}
