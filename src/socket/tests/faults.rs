//! What must not take the IO thread along: panics, and peers that never read.

use super::*;
use crate::socket::assembling::AssemblyHolder;
use crate::socket::report::Cause;

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

#[test]
fn what_is_sent_on_a_connection_that_was_given_up_is_dropped() {
    let delivery = Arc::new(Delivery::new(usize::MAX, || {}));
    let socket = unread(&delivery, 1000);
    let mut keys = MaskKeys::default();
    for compress in [false, true] {
        for _ in 0..100 {
            socket.send(&mut keys).frame(Outline { compress, ..RECEIPT }, &[1; 600]);
        }
    }
    let side = socket.side();
    assert_eq!(side.broken, Some(Cause::Backlog));
    assert!(side.outgoing.len() < 2000, "{}", side.outgoing.len());
    assert!(side.unwritten() > 200 * 600, "but it counts as not sent");
    drop(side);
    // And so it is once the connection is gone.
    let socket = unread(&delivery, 0);
    socket.bury(Cause::Reset);
    socket.send(&mut keys).frame(RECEIPT, &[1; 600]);
    assert_eq!(socket.side().outgoing.len(), 0);
    assert_eq!(socket.buffered_amount(), 608);
}

/// The head of a frame that is followed by nothing, or by less than it says.
fn announce(opcode: OpCode, fin: bool, len: u64) -> Vec<u8> {
    [&[(u8::from(fin) << 7) | opcode as u8, 127][..], &len.to_be_bytes()].concat()
}

/// Sockets that share a bound.
async fn crowd(limit: usize, count: usize, mut setup: Setup) -> (Vec<Rig>, Arc<Assembling>) {
    let assembling = Arc::new(Assembling::new(limit));
    setup.options.assembling = Some(Arc::clone(&assembling));
    let mut rigs = Vec::new();
    for _ in 0..count {
        rigs.push(Rig::open(&setup).await);
    }
    (rigs, assembling)
}

async fn outgrown(rig: &mut Rig) {
    let error = rig.inbox.expect(Kind::Error).await.json();
    assert_eq!((&error["code"], &error["status"]), (&"ERR_HYCO_LIMIT".into(), &1009.into()));
}

#[tokio::test(start_paused = true)]
async fn of_unfinished_messages_the_largest_is_given_up() {
    for setup in both() {
        let (mut rigs, assembling) = crowd(7 << 19, 4, setup).await;
        let piece = pattern(1 << 20, 1);
        // Two have a megabyte each: of a frame of two, and in fragments. A third one begins with a little.
        rigs[0].peer.write(&announce(OpCode::Binary, true, 1 << 21)).await;
        rigs[0].peer.write(&piece).await;
        for first in [OpCode::Binary, OpCode::Continuation] {
            rigs[1].peer.write(&announce(first, false, 1 << 19)).await;
            rigs[1].peer.write(&piece[..1 << 19]).await;
        }
        rigs[2].peer.write(b"\x01\x03abc").await;
        settle().await;
        assert_eq!(rigs.iter().filter(|rig| rig.socket.is_outgrown()).count(), 0);
        // One too many: the first one holds most, for what it has announced has room already.
        rigs[3].peer.write(&announce(OpCode::Binary, true, 1 << 20)).await;
        outgrown(&mut rigs[0]).await;
        settle().await;
        let given: Vec<bool> = rigs.iter().map(|rig| rig.socket.is_outgrown()).collect();
        assert_eq!(given, [true, false, false, false]);
        // It ends in order, and what it still sends is ignored; the others go on.
        rigs[0].peer.write(&piece).await;
        rigs[1].peer.write(b"\x80\x00").await;
        assert_eq!(rigs[1].inbox.expect(Kind::Fragments).await.payload.len(), 8);
        assert!(rigs[1].inbox.expect(Kind::Binary).await.payload[..] == [&piece[..1 << 19]; 2].concat());
        rigs[2].peer.write(b"\x80\x01d").await;
        assert_eq!(rigs[2].inbox.expect(Kind::Text).await.payload, b"abcd");
        rigs[3].peer.write(&piece).await;
        rigs[3].inbox.expect(Kind::Binary).await;
        for rig in rigs {
            rig.finish().await;
        }
        assert_eq!(assembling.total(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_inflated_counts_and_a_paused_socket_gives_it_back() {
    let params = frame::DeflateParams::default();
    let mut setup = Setup { deflate: Some(DeflateOptions::default()), ..Setup::default() };
    let assembling = Arc::new(Assembling::new(4 << 20));
    setup.options.assembling = Some(Arc::clone(&assembling));
    let mut rigs = Vec::new();
    for _ in 0..3 {
        let mut rig = Rig::open_with(&setup, "Sec-WebSocket-Extensions: permessage-deflate\r\n", b"").await;
        let mut bytes = Vec::new();
        frame::Deflate::new(frame::Role::Server, &params, 6)
            .compress(&vec![0; 1 << 21], false, &mut bytes)
            .unwrap();
        assert!(bytes.len() < 4096);
        let mut wire = Vec::new();
        frame::encode(&mut wire, OpCode::Binary, false, true, None, &bytes);
        rig.peer.write(&wire).await;
        settle().await;
        rig.socket.pause();
        rigs.push(rig);
    }
    let mut given = 0;
    for rig in &mut rigs {
        if rig.socket.is_outgrown() {
            outgrown(rig).await;
            given += 1;
        }
    }
    assert_eq!(given, 2);
    assert!((1 << 21..=4 << 20).contains(&assembling.total()));
    drop(rigs);
}

#[tokio::test(start_paused = true)]
async fn many_small_ones_are_bounded_too() {
    let (mut rigs, assembling) = crowd(100_000, 5, Setup::default()).await;
    for rig in &mut rigs {
        rig.peer.write(&announce(OpCode::Binary, false, 30_000)).await;
        rig.peer.write(&pattern(30_000, 1)).await;
        settle().await;
    }
    let given = rigs.iter().filter(|rig| rig.socket.is_outgrown()).count();
    assert!((1..5).contains(&given) && assembling.total() <= 100_000, "{given}");
    for rig in &rigs {
        rig.socket.terminate();
    }
    for rig in rigs {
        rig.task.await.unwrap();
    }
    assert_eq!(assembling.total(), 0);
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

/// A socket of which so many bytes wait.
fn with_waiting(delivery: &Arc<Delivery>, max_backlog: usize, bytes: usize) -> Arc<Socket> {
    let socket = unread(delivery, max_backlog);
    socket.send(&mut MaskKeys::default()).frame(BINARY, &vec![0; bytes - 14]);
    assert_eq!(socket.side().outgoing.len(), bytes);
    socket
}

#[test]
fn the_limits_of_what_waits_are_exact() {
    const TOTAL: usize = 512 << 20;
    const FAIR: usize = 1 << 20;
    // What waits for all others, what a socket alone may have, what it has, and whether that is too much.
    for (others, max_backlog, own, too_much) in [
        (0, 2 * FAIR, 2 * FAIR, false),
        (0, 2 * FAIR, 2 * FAIR + 1, true),
        (TOTAL - 2 * FAIR, 4 * FAIR, 2 * FAIR, false),
        (TOTAL - 2 * FAIR + 1, 4 * FAIR, 2 * FAIR, true),
        (TOTAL, 4 * FAIR, FAIR, false),
        (TOTAL, 4 * FAIR, FAIR + 1, true),
        (TOTAL, FAIR / 2, FAIR / 2 + 1, true),
    ] {
        let delivery = Arc::new(Delivery::new(usize::MAX, || {}));
        delivery.book(0, others);
        let socket = with_waiting(&delivery, max_backlog, own);
        let broken = too_much.then_some(Cause::Backlog);
        assert_eq!(socket.side().broken, broken, "{others} {max_backlog} {own}");
        assert_eq!(delivery.book(0, 0), others + own);
    }
}

#[test]
fn a_peer_that_reads_at_last_is_not_given_up() {
    const HAS: usize = 2 << 20;
    let delivery = Arc::new(Delivery::new(usize::MAX, || {}));
    let socket = with_waiting(&delivery, 2 * HAS, HAS);
    delivery.book(0, 512 << 20);
    let mut side = socket.side();
    // Others have made it too much, and this one has as much as before, or less.
    side.book(&delivery, 2 * HAS);
    side.outgoing.advance(1000);
    side.outgoing.settle();
    side.book(&delivery, 2 * HAS);
    assert_eq!((side.broken, delivery.book(0, 0)), (None, HAS - 1000 + (512 << 20)));
    drop(side);
    socket.send(&mut MaskKeys::default()).frame(BINARY, b"more");
    assert_eq!(socket.side().broken, Some(Cause::Backlog));
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
