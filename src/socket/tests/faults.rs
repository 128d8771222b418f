//! What must not take the IO thread along: panics, and peers that never read.

use super::*;
use crate::socket::driver::Cause;

const BIG: usize = 32 << 20;

/// A socket that is never opened; what is sent to it waits.
fn unread(delivery: &Arc<Delivery>, max_backlog: usize) -> Arc<Socket> {
    let options = SocketOptions { max_backlog, ..Setup::default().options };
    Socket::new(SLOT, Arc::clone(delivery), options, Tuning::default())
}

fn is_given_up(socket: &Socket) -> bool {
    socket.side().broken.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up_at_the_limit() {
    for mut setup in both() {
        setup.options.max_backlog = BIG;
        let mut rig = Rig::open(&setup).await;
        let payload = pattern(BIG / 4, 3);
        while rig.socket.side().broken != Some(Cause::Backlog) {
            assert!(rig.socket.buffered_amount() <= BIG);
            rig.send(BINARY, &payload);
        }
        let error = rig.inbox.expect(Kind::Error).await.json();
        assert_eq!((&error["code"], &error["status"]), (&"ERR_HYCO_LIMIT".into(), &1008.into()));
        assert!(rig.inbox.closed(Cause::Backlog as u16).await > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_may_be_sent_any_amount() {
    let mut setup = Setup::default();
    setup.options.max_backlog = BIG / 2;
    let mut rig = Rig::open(&setup).await;
    let payload = pattern(BIG / 4, 3);
    for _ in 0..8 {
        rig.send(BINARY, &payload);
        assert!(rig.peer.frame().await.payload == payload);
    }
    rig.finish().await;
}

#[test]
fn all_sockets_together_have_a_limit_that_spares_the_modest_ones() {
    let delivery = Arc::new(Delivery::new(usize::MAX, || {}));
    let mut keys = MaskKeys::default();
    let payload = vec![0; 64 << 20];
    let greedy: Vec<_> = (0..9).map(|_| unread(&delivery, 1 << 30)).collect();
    let modest = unread(&delivery, 1 << 30);
    let free = unread(&delivery, 0);
    free.send(&mut keys).frame(BINARY, &payload);
    for socket in &greedy {
        socket.send(&mut keys).frame(BINARY, &payload);
        modest.send(&mut keys).frame(BINARY, b"small");
    }
    assert!(greedy[..7].iter().all(|socket| !is_given_up(socket)));
    assert!(is_given_up(&greedy[8]) && !is_given_up(&modest) && !is_given_up(&free));
    drop((greedy, modest, free));
    assert_eq!(delivery.book(0, 0), 0, "what a socket had goes with it");
}

#[tokio::test]
async fn a_panic_ends_the_socket_and_no_other() {
    let mut rig = Rig::open(&Setup::default()).await;
    rig.inbox.trap.store(true, Ordering::SeqCst);
    rig.peer.send(OpCode::Text, b"boom").await;
    assert_eq!(rig.inbox.expect(Kind::Text).await.payload, b"boom");
    let error = rig.inbox.expect(Kind::Error).await.json();
    assert_eq!((&error["code"], &error["status"]), (&"ERR_HYCO_INTERNAL".into(), &1011.into()));
    rig.inbox.closed(Cause::Internal as u16).await;
    // The thread lives, and so does the next socket.
    let mut next = Rig::open(&Setup::default()).await;
    next.peer.send(OpCode::Text, b"alive").await;
    assert_eq!(next.inbox.expect(Kind::Text).await.payload, b"alive");
    next.finish().await;
}
