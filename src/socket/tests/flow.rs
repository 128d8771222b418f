//! Back-pressure in both directions.

use super::*;

const BIG: usize = 32 << 20;

#[tokio::test(start_paused = true)]
async fn receipts_wait_for_a_peer_that_does_not_read() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let payload = pattern(BIG, 3);
        rig.send(RECEIPT, &payload);
        rig.send(RECEIPT, b"behind");
        settle().await;
        rig.inbox.drain();
        assert_eq!(rig.inbox.records, []);
        assert!(rig.socket.buffered_amount() > BIG / 2);
        assert_eq!(rig.peer.frame().await.payload, payload);
        assert_eq!(rig.peer.frame().await.payload, b"behind");
        rig.inbox.receipts(2).await;
        assert_eq!(rig.socket.buffered_amount(), 0);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn receipts_come_one_by_one_as_the_kernel_takes_frames() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let payload = pattern(BIG, 3);
        rig.send(RECEIPT, &payload);
        rig.send(RECEIPT, &payload);
        settle().await;
        assert!(rig.peer.frame().await.payload == payload);
        settle().await;
        rig.inbox.drain();
        assert_eq!(rig.inbox.expect(Kind::Sent).await.count, 1);
        assert_eq!(rig.inbox.records, []);
        assert!(rig.peer.frame().await.payload == payload);
        rig.inbox.receipts(1).await;
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reading_stops_at_the_high_water_mark() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let bytes = encode(OpCode::Binary, &pattern(1000, 1)).repeat(BIG / 1000);
        let mut write = Box::pin(rig.peer.write(&bytes));
        stuck(&mut write).await;
        let held = rig.socket.credit.inbound();
        let high_water = setup.options.high_water;
        assert!((high_water..high_water + 256 * 1024).contains(&held), "{held} bytes");
        let reads = async {
            for _ in 0..BIG / 1000 {
                rig.inbox.expect(Kind::Binary).await;
            }
        };
        tokio::join!(write, reads);
        assert_eq!(rig.socket.credit.inbound(), 0);
        rig.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_when_about_half_of_it_is_taken() {
    let mut rig = Rig::open(&Setup::default()).await;
    let high_water = rig.socket.options.high_water;
    let bytes = encode(OpCode::Binary, &pattern(1000, 1)).repeat(BIG / 1000);
    let mut write = Box::pin(rig.peer.write(&bytes));
    stuck(&mut write).await;
    let (mut table, mut block) = ([0; 64 * RECORD_WORDS], vec![0; BLOCK]);
    let (read, mut held) = (rig.socket.stats().messages_received, 0);
    while rig.socket.stats().messages_received == read {
        if rig.inbox.delivery.drain(&mut table, &mut block).ended == DrainEnd::Chunk {
            rig.inbox.delivery.take_chunk();
        }
        held = rig.socket.stats().held;
        stuck(&mut write).await;
    }
    // One read more or less.
    assert!((high_water / 8..high_water / 8 * 7).contains(&held), "{held}");
}

#[tokio::test(start_paused = true)]
async fn small_records_weigh_something_too() {
    let mut rig = Rig::open(&Setup::default()).await;
    let mut write = Box::pin(async {
        loop {
            rig.peer.send(OpCode::Ping, b"").await
        }
    });
    stuck(&mut write).await;
    drop(write);
    rig.inbox.drain();
    assert!(rig.inbox.records.len() <= rig.socket.options.high_water / 32 + 64 * 1024 / 2);
    rig.socket.terminate();
}

#[tokio::test(start_paused = true)]
async fn reading_stops_while_the_whole_queue_is_full() {
    let mut rig = Rig::open(&Setup { limit: 1000, ..Setup::default() }).await;
    rig.inbox.delivery.push_one(|batch| batch.push(SLOT, Kind::Text, 0, &[0; 2000]));
    rig.peer.send(OpCode::Text, b"waits").await;
    for _ in 0..10 {
        // Whatever wakes the task meanwhile: it waits for room once.
        rig.socket.resume();
        settle().await;
    }
    assert_eq!(rig.socket.credit.inbound(), 0);
    assert_eq!(Arc::strong_count(&rig.socket), 4, "ours, two of the task's, one of the queue's");
    assert_eq!(rig.inbox.expect(Kind::Text).await.payload.len(), 2000);
    assert_eq!(rig.inbox.expect(Kind::Text).await.payload, b"waits");
    rig.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_socket_reads_nothing() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        rig.socket.pause();
        settle().await;
        rig.peer.send(OpCode::Text, b"held").await;
        rig.peer.end().await;
        settle().await;
        rig.inbox.drain();
        assert_eq!(rig.inbox.records, []);
        // It still writes.
        rig.send(RECEIPT, b"out");
        assert_eq!(rig.peer.frame().await.payload, b"out");
        rig.inbox.receipts(1).await;
        rig.socket.resume();
        assert_eq!(rig.inbox.expect(Kind::Text).await.payload, b"held");
        rig.inbox.expect(Kind::End).await;
        rig.socket.shutdown();
        rig.inbox.closed(0).await;
    }
}

#[tokio::test]
async fn pausing_and_resuming_loses_nothing() {
    for setup in both() {
        let mut rig = Rig::open(&setup).await;
        let bytes = encode(OpCode::Binary, &pattern(500, 1)).repeat(10_000);
        let reads = async {
            for _ in 0..10_000 {
                rig.socket.pause();
                tokio::task::yield_now().await;
                rig.socket.resume();
                rig.inbox.expect(Kind::Binary).await;
            }
        };
        tokio::join!(rig.peer.write(&bytes), reads);
        rig.finish().await;
    }
}
