//! Large payloads on their way to JavaScript, each as a buffer of its own.

use std::collections::VecDeque;

/// The payloads that records have announced, in order. Each has a number, so that one that nobody fetched is never
/// taken for the next.
#[derive(Default)]
pub(super) struct LargeRow {
    /// The number of the first one that waits; they begin again behind the last.
    first: u32,
    waiting: VecDeque<Vec<u8>>,
}

impl LargeRow {
    /// Adds a payload, and gives its number.
    pub(super) fn push(&mut self, payload: Vec<u8>) -> u32 {
        self.waiting.push_back(payload);
        // Each is 32 KiB at least, so there are never nearly as many as numbers.
        self.first.wrapping_add(self.waiting.len() as u32 - 1)
    }

    /// Takes out the payload of that number, and drops those before it.
    pub(super) fn take(&mut self, number: u32) -> Option<Vec<u8>> {
        let before = number.wrapping_sub(self.first) as usize;
        if before >= self.waiting.len() {
            return None;
        }
        self.first = number.wrapping_add(1);
        self.waiting.drain(..=before).next_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_nobody_fetched_does_not_come_in_the_place_of_the_next() {
        let mut row = LargeRow { first: u32::MAX - 1, ..LargeRow::default() };
        let numbers: Vec<_> = (0..4).map(|content| row.push(vec![content])).collect();
        assert_eq!(numbers, [u32::MAX - 1, u32::MAX, 0, 1]);
        assert_eq!(row.take(u32::MAX), Some(vec![1]));
        assert_eq!(row.take(u32::MAX - 1), None, "it has been passed over");
        assert_eq!(row.take(1), Some(vec![3]));
        assert_eq!(row.take(2), None);
        assert_eq!(row.push(vec![4]), 2);
    }
}
