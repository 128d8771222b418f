use proptest::prelude::*;

use super::*;

const BINARY: Outline = Outline {
    opcode: OpCode::Binary,
    fin: true,
    rsv1: false,
    compress: false,
    mask: Masking::None,
    receipt: true,
};

/// Writes in pieces of at most `step` bytes and returns what was written.
fn write_all(queue: &mut Outgoing, step: usize) -> Vec<u8> {
    let mut written = Vec::new();
    while queue.ready() > 0 {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = queue.slices(&mut slices);
        let before = written.len();
        for slice in &slices[..count] {
            let room = step - (written.len() - before);
            written.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        queue.advance(written.len() - before);
    }
    written
}

#[test]
fn counts_headers_and_waiting_payloads() {
    let mut queue = Outgoing::default();
    queue.append(BINARY, None, b"abc");
    assert_eq!((queue.ready(), queue.len()), (5, 5));
    queue.wait(BINARY, vec![0; 10]);
    assert_eq!((queue.ready(), queue.len()), (5, 15));
    assert!(queue.is_waiting());
}

#[test]
fn keeps_the_order_while_a_message_is_being_compressed() {
    let mut queue = Outgoing::default();
    queue.wait(BINARY, b"long".to_vec());
    let waiting = queue.next_waiting().expect("one waits");
    assert!(queue.is_waiting(), "others stay behind it until it is appended");
    assert_eq!(queue.len(), 4);
    queue.append_compressed(waiting.outline, None, b"s", 4);
    assert!(!queue.is_waiting());
    assert_eq!((queue.ready(), queue.len()), (3, 0), "nobody has tried to write it yet");
    queue.attempt();
    assert_eq!((queue.ready(), queue.len()), (3, 3));
}

#[test]
fn receipts_fall_due_when_their_frame_is_written() {
    let mut queue = Outgoing::default();
    queue.append(BINARY, None, b"ab");
    queue.append(Outline { receipt: false, ..BINARY }, None, b"ab");
    queue.append(BINARY, None, b"ab");
    queue.advance(3);
    queue.settle();
    assert_eq!((queue.due_receipts(), queue.len()), (0, 9));
    queue.advance(1);
    assert_eq!((queue.due_receipts(), queue.len()), (0, 9), "it may be encrypted and wait");
    queue.settle();
    assert_eq!((queue.due_receipts(), queue.len()), (1, 8));
    queue.advance(8);
    queue.settle();
    assert_eq!((queue.due_receipts(), queue.len()), (1, 0));
    assert!(queue.is_empty());
}

#[test]
fn what_is_written_holds_no_memory_and_small_segments_are_used_again() {
    let pool = || SEGMENTS.with_borrow(|pool| pool.iter().map(Vec::capacity).collect::<Vec<_>>());
    SEGMENTS.with_borrow_mut(Vec::clear);
    let mut queue = Outgoing::default();
    for _ in 0..2 {
        queue.append(BINARY, None, &[1; 100]);
        queue.append(BINARY, None, &[2; 3 * PIECE - 12]);
        write_all(&mut queue, usize::MAX);
        assert!(queue.segments.is_empty());
        assert_eq!(pool().len(), 1, "the large ones go elsewhere");
        assert!(pool()[0] < SEGMENT);
    }
    // No more than a few of them.
    for _ in 0..2 * POOL {
        queue.append(BINARY, None, &[1; SEGMENT / 2]);
    }
    drop(queue);
    assert_eq!(pool().len(), POOL);
}

proptest! {
    #[test]
    fn any_writes_give_the_frames_in_order(
        sizes in prop::collection::vec(prop_oneof![0usize..200, Just(SEGMENT), Just(SEGMENT + 1), PIECE..3 * PIECE], 1..12),
        step in 1usize..100_000,
        masked: bool,
    ) {
        let mut queue = Outgoing::default();
        let mut expected = Vec::new();
        for (index, &size) in sizes.iter().enumerate() {
            let payload = vec![index as u8; size];
            let mask = masked.then_some([1, 2, 3, 4]);
            queue.append(BINARY, mask, &payload);
            frame::encode(&mut expected, OpCode::Binary, true, false, mask, &payload);
        }
        prop_assert_eq!(queue.ready(), expected.len());
        prop_assert_eq!(write_all(&mut queue, step), expected);
        prop_assert_eq!({ queue.settle(); queue.due_receipts() } as usize, sizes.len());
    }
}
