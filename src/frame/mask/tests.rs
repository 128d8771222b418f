use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn by_the_book(data: &[u8], key: [u8; 4], phase: usize) -> Vec<u8> {
    data.iter().enumerate().map(|(i, byte)| byte ^ key[(i + phase) % 4]).collect()
}

#[test]
fn the_rfc_example_unmasks() {
    let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
    apply(&mut data, [0x37, 0xfa, 0x21, 0x3d], 0);
    assert_eq!(&data, b"Hello");
}

proptest! {
    #[test]
    fn every_length_and_phase_follows_the_definition(
        data in proptest::collection::vec(any::<u8>(), 0..200), key: [u8; 4], phase in 0usize..9
    ) {
        let mut masked = data.clone();
        apply(&mut masked, key, phase);
        prop_assert_eq!(masked, by_the_book(&data, key, phase));
    }

    #[test]
    fn masking_in_two_steps_is_masking_in_one(
        data in proptest::collection::vec(any::<u8>(), 1..100), key: [u8; 4], cut: prop::sample::Index
    ) {
        let cut = cut.index(data.len());
        let mut masked = data.clone();
        let (left, right) = masked.split_at_mut(cut);
        apply(left, key, 0);
        apply(right, key, cut);
        prop_assert_eq!(masked, by_the_book(&data, key, 0));
    }
}

#[test]
fn append_masks_across_blocks_and_keeps_what_was_there() {
    for len in [0, 1, 31, FUSED - 1, FUSED, FUSED + 3, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
        let mut out = vec![9, 9, 9];
        append(&mut out, &payload, [1, 2, 3, 4]);
        assert_eq!(&out[..3], &[9, 9, 9]);
        assert_eq!(&out[3..], by_the_book(&payload, [1, 2, 3, 4], 0));
    }
}

#[test]
fn keys_differ_also_past_the_end_of_the_pool() {
    let mut keys = MaskKeys::new();
    let count = POOL / 4 * 2 + 1;
    let seen: HashSet<_> = (0..count).map(|_| keys.next_key()).collect();
    // A few of 4,097 draws from 2^32 may collide; a reused pool would lose half of them.
    assert!(seen.len() > count - 10);
}
