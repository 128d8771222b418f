use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::turns::QUANTUM;
use super::*;

#[derive(Default)]
struct Account {
    drained: AtomicUsize,
    room: AtomicBool,
}

impl Owner for Account {
    fn drained(&self, bytes: usize) {
        self.drained.fetch_add(bytes, Ordering::Relaxed);
    }

    fn room(&self) {
        self.room.store(true, Ordering::Relaxed);
    }
}

fn counted(limit: usize) -> (Delivery, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&wakes);
    let wake = move || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    (Delivery::new(limit, wake), wakes)
}

/// Drains everything the way JavaScript does and returns (slot, kind, detail, payload).
fn drain_all(delivery: &Delivery, rows: usize, block: usize) -> Vec<(u32, u8, u16, Vec<u8>)> {
    let mut table = vec![0; rows * RECORD_WORDS];
    let mut block = vec![0; block];
    let mut seen = Vec::new();
    let mut chunk = Vec::new();
    loop {
        let Drained { count, ended, .. } = delivery.drain(&mut table, &mut block);
        for row in table.chunks_exact(RECORD_WORDS).take(count) {
            let (from, to) = (row[2] as usize, row[2] as usize + row[3] as usize);
            let payload = if row[1] & FLAG_LARGE != 0 {
                delivery.take_large(row[2]).expect("announced")
            } else if row[3] == 0 {
                Vec::new()
            } else if row[1] & FLAG_CHUNK != 0 {
                chunk[from..to].to_vec()
            } else {
                block[from..to].to_vec()
            };
            seen.push((row[0], row[1] as u8, (row[1] >> 16) as u16, payload));
        }
        assert!(count > 0 || ended != DrainEnd::BlockFull, "a payload for which no block is large enough");
        match ended {
            DrainEnd::Empty => return seen,
            DrainEnd::Chunk => chunk = delivery.take_chunk().expect("announced"),
            _ => {}
        }
    }
}

#[test]
fn wakes_once_until_it_has_been_drained_empty() {
    let (delivery, wakes) = counted(usize::MAX);
    delivery.push_one(|batch| batch.push(1, Kind::Text, 0, b"a"));
    delivery.push_one(|batch| batch.push(1, Kind::Text, 0, b"b"));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(drain_all(&delivery, 4, BLOCK).len(), 2);
    delivery.push_one(|batch| batch.push(1, Kind::Text, 0, b"c"));
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn carries_slot_kind_detail_and_payload() {
    let (delivery, _) = counted(usize::MAX);
    delivery.push_one(|batch| batch.push(7, Kind::Close, 4001, b"bye"));
    assert_eq!(drain_all(&delivery, 1, BLOCK), [(7, Kind::Close as u8, 4001, b"bye".to_vec())]);
}

#[test]
fn a_count_is_not_taken_for_a_length() {
    let (delivery, _) = counted(usize::MAX);
    let mut batch = Batch::default();
    batch.push_count(3, Kind::Sent, 0, u32::MAX);
    delivery.push(&mut batch, None);
    let mut table = [0; RECORD_WORDS];
    assert_eq!(delivery.drain(&mut table, &mut []).count, 1);
    assert_eq!(table, [3, Kind::Sent as u32, 0, u32::MAX]);
}

#[test]
fn returns_an_owners_credit_when_its_batch_has_been_drained() {
    let (delivery, _) = counted(usize::MAX);
    let account = Arc::new(Account::default());
    let mut batch = Batch::default();
    batch.push(1, Kind::Binary, 0, &[0; 100]);
    batch.push(1, Kind::Binary, 0, &[0; LARGE]);
    let weight = batch.weight();
    delivery.push(&mut batch, Some(account.clone()));
    assert!(batch.is_empty());
    assert_eq!(account.drained.load(Ordering::Relaxed), 0);
    drain_all(&delivery, 8, BLOCK);
    assert_eq!(account.drained.load(Ordering::Relaxed), weight);
}

#[test]
fn a_full_queue_tells_those_that_wait_when_it_has_room() {
    let (delivery, _) = counted(300);
    let account = Arc::new(Account::default());
    let owner = || account.clone() as Arc<dyn Owner>;
    assert!(!delivery.is_full(&owner));
    delivery.push_one(|batch| batch.push(1, Kind::Binary, 0, &[0; 60]));
    assert!(delivery.is_full(&owner));
    assert!(!account.room.load(Ordering::Relaxed));
    drain_all(&delivery, 8, BLOCK);
    assert!(account.room.load(Ordering::Relaxed));
    assert!(!delivery.is_full(&owner));
}

#[test]
fn a_closed_queue_drops_what_comes() {
    let (delivery, wakes) = counted(usize::MAX);
    delivery.push_one(|batch| batch.push(1, Kind::Text, 0, b"a"));
    delivery.close();
    delivery.push_one(|batch| batch.push(1, Kind::Text, 0, b"b"));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert!(drain_all(&delivery, 4, BLOCK).is_empty());
}

proptest! {
    #[test]
    fn nothing_is_lost_or_reordered_by_small_tables_and_blocks(
        pushes in prop::collection::vec(prop::collection::vec(0usize..300, 1..5), 1..20),
        rows in 1usize..6,
        block in 300usize..700,
    ) {
        let (delivery, _) = counted(usize::MAX);
        let mut sent = Vec::new();
        for (slot, lengths) in pushes.iter().enumerate() {
            let mut batch = Batch::default();
            for &length in lengths {
                // Every seventh payload or so goes as a large one.
                let length = if length % 7 == 3 { LARGE + length } else { length };
                // And some are many enough for a chunk.
                let length = if length % 11 == 5 { CHUNK + length } else { length };
                let payload = vec![slot as u8; length];
                batch.push(slot as u32, Kind::Binary, length as u16, &payload);
                sent.push((slot as u32, Kind::Binary as u8, length as u16, payload));
            }
            delivery.push(&mut batch, None);
        }
        prop_assert_eq!(drain_all(&delivery, rows, block), sent);
    }
}

/// Pushes `count` messages of `slot` as one read would.
fn push_many(delivery: &Delivery, slot: u32, count: usize, payload: &[u8]) {
    let mut batch = Batch::default();
    for _ in 0..count {
        batch.push(slot, Kind::Binary, 0, payload);
    }
    delivery.push(&mut batch, None);
}

fn slots(records: &[(u32, u8, u16, Vec<u8>)]) -> Vec<u32> {
    records.iter().map(|record| record.0).collect()
}

#[test]
fn a_quiet_socket_waits_for_one_turn_of_a_flooded_one() {
    for payload in [&b""[..], &[7; 32]] {
        let (delivery, _) = counted(usize::MAX);
        for _ in 0..3 {
            push_many(&delivery, 1, 1000, payload);
        }
        delivery.push_one(|batch| batch.push(2, Kind::Binary, 0, b"a ping"));
        let seen = slots(&drain_all(&delivery, 1024, BLOCK));
        assert_eq!(seen.iter().position(|&slot| slot == 2), Some(QUANTUM));
        assert_eq!(seen.len(), 3001);
    }
}

#[test]
fn what_comes_amid_a_flood_need_not_wait_for_its_end() {
    let (delivery, _) = counted(usize::MAX);
    push_many(&delivery, 1, 3000, b"");
    let mut table = vec![0; QUANTUM / 2 * RECORD_WORDS];
    assert_eq!(delivery.drain(&mut table, &mut []).ended, DrainEnd::TableFull);
    delivery.push_one(|batch| batch.push(2, Kind::Binary, 0, b"a ping"));
    let seen = slots(&drain_all(&delivery, 1024, BLOCK));
    assert_eq!(seen.iter().position(|&slot| slot == 2), Some(QUANTUM / 2));
}

/// Pushes a message of its own as soon as its bytes are taken: amid a drain.
struct Talkative(Arc<Delivery>);

impl Owner for Talkative {
    fn drained(&self, _: usize) {
        self.0.push_one(|batch| batch.push(3, Kind::Binary, 0, b"the last one"));
    }

    fn room(&self) {}
}

#[test]
fn what_comes_amid_a_drain_is_not_left_behind() {
    let (delivery, wakes) = counted(usize::MAX);
    let delivery = Arc::new(delivery);
    push_many(&delivery, 1, 2, b"");
    let mut table = [0; RECORD_WORDS];
    assert_eq!(delivery.drain(&mut table, &mut []).ended, DrainEnd::TableFull);
    // Something is left, and more has come: JavaScript goes on by itself, and nobody wakes it.
    let mut batch = Batch::default();
    batch.push(2, Kind::Binary, 0, b"");
    delivery.push(&mut batch, Some(Arc::new(Talkative(Arc::clone(&delivery)))));
    assert_eq!(slots(&drain_all(&delivery, 8, BLOCK)), [1, 2, 3]);
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    // Once that is over the next one wakes it again.
    delivery.push_one(|batch| batch.push(1, Kind::Binary, 0, b""));
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn floods_take_turns() {
    let (delivery, _) = counted(usize::MAX);
    for slot in [1, 2, 1, 2] {
        push_many(&delivery, slot, 2 * QUANTUM, &[slot as u8; 100]);
    }
    let records = drain_all(&delivery, 1024, BLOCK);
    for (turn, records) in records.chunks(QUANTUM).enumerate() {
        let slot = turn as u32 % 2 + 1;
        assert!(records.iter().all(|(of, .., payload)| *of == slot && *payload == [slot as u8; 100]));
    }
    assert_eq!(records.len(), 8 * QUANTUM);
}

proptest! {
    #[test]
    fn each_socket_keeps_its_order(
        pushes in prop::collection::vec((0u32..4, any::<bool>(), sizes()), 1..12),
        rows in 1usize..600,
    ) {
        let (delivery, _) = counted(usize::MAX);
        let mut sent = Vec::new();
        for (slot, in_place, lengths) in pushes {
            let mut batch = Batch::default();
            let mut read = Vec::new();
            if in_place {
                batch.begin_in_place();
            }
            for length in lengths {
                let payload = vec![sent.len() as u8; length];
                // What an earlier read had begun lies elsewhere.
                if in_place && sent.len() % 7 > 0 {
                    read.extend_from_slice(b"head");
                    batch.push_within(slot, Kind::Binary, read.len(), length);
                    read.extend_from_slice(&payload);
                } else {
                    batch.push(slot, Kind::Binary, 0, &payload);
                }
                sent.push((slot, Kind::Binary as u8, 0, payload));
            }
            if in_place {
                batch.end_in_place(&mut read);
            }
            delivery.push(&mut batch, None);
        }
        let mut seen = drain_all(&delivery, rows, BLOCK);
        // Stable: what is left to compare is the order within each slot.
        seen.sort_by_key(|record| record.0);
        sent.sort_by_key(|record| record.0);
        prop_assert!(seen == sent);
    }
}

/// The payloads of one read: any, nothing but empty ones, all of one size, few and large ones among empty ones.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let any = prop_oneof![99 => 0usize..150, 1 => LARGE..3 * BLOCK];
    let one =
        prop_oneof![1usize..300, Just(CHUNK - 1), Just(CHUNK), Just(LARGE - 1), Just(LARGE), Just(BLOCK)];
    prop_oneof![
        4 => prop::collection::vec(any, 1..500),
        2 => (1usize..9000).prop_map(|count| vec![0; count]),
        2 => (one, 1usize..20).prop_map(|(size, count)| vec![size; count]),
        2 => prop::collection::vec(prop_oneof![9 => Just(0), 1 => LARGE..2 * BLOCK], 1..40),
    ]
}

#[test]
fn a_payload_weighs_its_size_however_it_crosses() {
    let weight = |push: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::default();
        let empty = batch.weight();
        push(&mut batch);
        batch.weight() - empty
    };
    let record = weight(&|batch| batch.push_count(1, Kind::Sent, 0, u32::MAX));
    assert!(record > 0);
    for size in [0, 1, LARGE - 1, LARGE, 3 * LARGE] {
        let payload = vec![7; size];
        assert_eq!(weight(&|batch| batch.push(1, Kind::Text, 0, &payload)), size + record);
        assert_eq!(weight(&|batch| batch.push_owned(1, Kind::Text, 0, payload.clone())), size + record);
        assert_eq!(weight(&|batch| batch.push_within(1, Kind::Text, 0, size)), size + record);
    }
}

#[test]
fn spares_are_kept_where_they_are_few_and_small() {
    let spares_after = |count: usize, records: usize, bytes: usize| {
        let (delivery, _) = counted(usize::MAX);
        for _ in 0..count {
            let mut batch = Batch::default();
            batch.records = Vec::with_capacity(records);
            batch.bytes = Vec::with_capacity(bytes);
            batch.push(1, Kind::Binary, 0, b"small");
            delivery.push(&mut batch, Some(Arc::new(Account::default())));
        }
        drain_all(&delivery, 8, BLOCK);
        let spares = &unpoisoned(delivery.queue.lock()).spares;
        assert!(spares.iter().all(|spare| spare.is_empty() && spare.owner.is_none()));
        spares.len()
    };
    assert_eq!(spares_after(3, 1, 1), 3);
    assert_eq!(spares_after(100, 1, 1), SPARES);
    assert_eq!(spares_after(1, 4 * 1024, 128 * 1024), 1);
    assert_eq!(spares_after(1, 4 * 1024 + 1, 1), 0);
    assert_eq!(spares_after(1, 1, 128 * 1024 + 1), 0);
}

/// A batch of three records, the second of which cannot be served.
fn corrupt(kind: Kind) -> Batch {
    let mut batch = Batch::default();
    batch.push(1, Kind::Binary, 0, b"good");
    batch.push(1, Kind::Binary, 0, b"bad");
    batch.push(1, kind, 0, &[7; LARGE]);
    batch.push_count(1, Kind::Closed, 0, 0);
    batch.records[1][2] = u32::MAX;
    batch
}

#[test]
fn a_batch_that_cannot_be_served_costs_its_socket_and_nothing_else() {
    let (delivery, _) = counted(usize::MAX);
    let account = Arc::new(Account::default());
    let mut batch = corrupt(Kind::Binary);
    let weight = batch.weight();
    delivery.push(&mut batch, Some(account.clone()));
    delivery.push_one(|batch| batch.push(2, Kind::Binary, 0, &[8; LARGE]));
    let lost = (1, Kind::Lost as u8, 0, vec![]);
    let expected = [
        (1, Kind::Binary as u8, 0, b"good".to_vec()),
        lost,
        (1, Kind::Closed as u8, 0, vec![]),
        (2, Kind::Binary as u8, 0, vec![8; LARGE]),
    ];
    assert_eq!(drain_all(&delivery, 8, BLOCK), expected);
    assert_eq!(account.drained.load(Ordering::Relaxed), weight);
}

/// Gives its credit back badly.
struct Clumsy;

impl Owner for Clumsy {
    fn drained(&self, _: usize) {
        panic!("on purpose");
    }

    fn room(&self) {}
}

#[test]
fn an_owner_that_panics_loses_its_socket_and_nothing_else() {
    let (delivery, _) = counted(usize::MAX);
    let mut batch = Batch::default();
    batch.push(1, Kind::Binary, 0, b"good");
    delivery.push(&mut batch, Some(Arc::new(Clumsy)));
    delivery.push_one(|batch| batch.push(2, Kind::Binary, 0, b"other"));
    let kinds: Vec<_> = drain_all(&delivery, 8, BLOCK).iter().map(|&(slot, kind, ..)| (slot, kind)).collect();
    assert_eq!(kinds, [(1, Kind::Binary as u8), (1, Kind::Lost as u8), (2, Kind::Binary as u8)]);
}

/// Decodes `[head][first][head][second]` in place, with a third message that an earlier read had begun.
fn in_place(first: &[u8], second: &[u8]) -> (Batch, Vec<u8>) {
    let mut read = [b"hh", first, b"hh", second].concat();
    let mut batch = Batch::default();
    batch.begin_in_place();
    batch.push(1, Kind::Binary, 0, b"begun before");
    batch.push_within(1, Kind::Text, 2, first.len());
    batch.push(1, Kind::Ping, 0, b"");
    batch.push_within(1, Kind::Binary, 4 + first.len(), second.len());
    batch.end_in_place(&mut read);
    (batch, read)
}

#[test]
fn what_was_decoded_in_place_comes_in_order_whether_copied_or_not() {
    for size in [10, CHUNK] {
        let (first, second) = (vec![b'a'; size], vec![b'b'; size / 2]);
        let (mut batch, left) = in_place(&first, &second);
        assert_eq!(left, b"begun before", "the batch has what was read, and its own buffer is there instead");
        let delivery = Delivery::new(usize::MAX, || {});
        delivery.push(&mut batch, None);
        let expected = [
            (1, Kind::Binary as u8, 0, b"begun before".to_vec()),
            (1, Kind::Text as u8, 0, first),
            (1, Kind::Ping as u8, 0, vec![]),
            (1, Kind::Binary as u8, 0, second),
        ];
        assert_eq!(drain_all(&delivery, 8, BLOCK), expected, "{size}");
    }
}

#[test]
fn what_fits_into_no_block_needs_none_amid_the_chunk_of_another_socket() {
    let delivery = Delivery::new(usize::MAX, || {});
    let mut batch = Batch::default();
    batch.begin_in_place();
    let mut read = vec![b'x'; CHUNK];
    for _ in 0..QUANTUM + 1 {
        batch.push_within(1, Kind::Binary, 0, CHUNK);
    }
    batch.end_in_place(&mut read);
    delivery.push(&mut batch, None);
    let large = vec![b'y'; 2 * BLOCK];
    let mut batch = Batch::default();
    batch.begin_in_place();
    batch.push_within(2, Kind::Binary, 0, large.len());
    batch.end_in_place(&mut large.clone());
    delivery.push(&mut batch, None);
    let seen = drain_all(&delivery, 1024, BLOCK);
    assert_eq!(seen.len(), QUANTUM + 2);
    assert!(seen[QUANTUM] == (2, Kind::Binary as u8, 0, large));
}

#[test]
fn nothing_changes_hands_where_nothing_lay_in_place() {
    let mut read = b"only the start of a frame".to_vec();
    let mut batch = Batch::default();
    batch.begin_in_place();
    batch.push(1, Kind::Text, 0, b"begun before");
    batch.end_in_place(&mut read);
    assert_eq!(read, b"only the start of a frame");
    let delivery = Delivery::new(usize::MAX, || {});
    delivery.push(&mut batch, None);
    assert_eq!(drain_all(&delivery, 8, BLOCK), [(1, Kind::Text as u8, 0, b"begun before".to_vec())]);
}
