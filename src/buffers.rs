//! Large buffers, used again: a fresh one costs a page fault for every 4 KiB of it, which is more than filling it.
//!
//! A message's bytes are received on one thread and let go of by JavaScript's garbage collector on another, a frame's
//! are made there and written here. So the store is one for the whole process. It is bounded, and what nobody needed
//! for a while goes back to the system.

use std::mem;
use std::sync::Mutex;

use crate::sync::lock;

/// Smaller buffers come from the allocator, which keeps them itself.
pub const SMALLEST: usize = 32 * 1024;
/// Bytes that may wait for their next use. A garbage collector hands them back many at a time.
const LIMIT: usize = 64 * 1024 * 1024;

struct Store {
    /// In the order in which they came; the last ones are the likeliest to be in a cache.
    idle: Vec<Vec<u8>>,
    bytes: usize,
    /// The least that `bytes` has been since the last [`trim`].
    unused: usize,
}

static STORE: Mutex<Store> = Mutex::new(Store { idle: Vec::new(), bytes: 0, unused: 0 });

/// An empty buffer with room for `size` bytes, and for an eighth of it more at most.
pub fn take(size: usize) -> Vec<u8> {
    if size < SMALLEST {
        return Vec::with_capacity(size);
    }
    let class = class(size);
    with(|store| store.take(class)).unwrap_or_else(|| Vec::with_capacity(class))
}

/// Takes back a buffer; one of a size that [`take`] does not give out is dropped.
pub fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() >= SMALLEST && class(buffer.capacity()) == buffer.capacity() {
        buffer.clear();
        // What is not kept is freed outside of the lock.
        drop(with(|store| store.give(buffer)));
    }
}

/// Frees what was not needed since the last call.
pub fn trim() {
    drop(with(Store::trim));
}

/// Sizes are rounded up to a sixteenth of the next power of two, so that similar messages share buffers.
fn class(size: usize) -> usize {
    match size.checked_next_power_of_two() {
        Some(power) if power >= 16 => size.next_multiple_of(power / 16),
        _ => size,
    }
}

fn with<T>(act: impl FnOnce(&mut Store) -> T) -> T {
    let mut store = lock(&STORE);
    act(&mut store)
}

impl Store {
    fn take(&mut self, class: usize) -> Option<Vec<u8>> {
        let at = self.idle.iter().rposition(|buffer| buffer.capacity() == class)?;
        self.bytes -= class;
        self.unused = self.unused.min(self.bytes);
        Some(self.idle.remove(at))
    }

    fn give(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.bytes + buffer.capacity() > LIMIT {
            return Some(buffer);
        }
        self.bytes += buffer.capacity();
        self.idle.push(buffer);
        None
    }

    fn trim(&mut self) -> Vec<Vec<u8>> {
        let mut surplus = mem::take(&mut self.unused);
        let fits = |buffer: &&Vec<u8>| {
            let fits = buffer.capacity() <= surplus;
            surplus = surplus.saturating_sub(buffer.capacity());
            fits
        };
        let count = self.idle.iter().take_while(fits).count();
        let freed: Vec<_> = self.idle.drain(..count).collect();
        self.bytes -= freed.iter().map(Vec::capacity).sum::<usize>();
        self.unused = self.bytes;
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store { idle: Vec::new(), bytes: 0, unused: 0 }
    }

    #[test]
    fn gives_out_what_came_back() {
        let mut store = store();
        let buffer = Vec::with_capacity(class(100_000));
        let address = buffer.as_ptr();
        assert!(store.give(buffer).is_none());
        assert!(store.take(class(50_000)).is_none());
        assert_eq!(store.take(class(99_999)).map(|buffer| buffer.as_ptr()), Some(address));
        assert_eq!(store.bytes, 0);
    }

    #[test]
    fn wastes_an_eighth_at_most() {
        for size in (SMALLEST..200_000).step_by(97).chain([1 << 20, (1 << 24) + 1]) {
            let class = class(size);
            assert!(class >= size && class - size <= size / 8, "{size} became {class}");
            assert_eq!(super::class(class), class);
        }
    }

    #[test]
    fn keeps_no_more_than_its_limit() {
        let mut store = store();
        let size = LIMIT / 4;
        for _ in 0..4 {
            assert!(store.give(Vec::with_capacity(size)).is_none());
        }
        assert!(store.give(Vec::with_capacity(size)).is_some());
        assert_eq!(store.bytes, LIMIT);
    }

    #[test]
    fn frees_what_was_not_needed_for_a_while() {
        let mut store = store();
        for _ in 0..3 {
            store.give(Vec::with_capacity(SMALLEST));
        }
        // They have just come: nobody can say yet that they are not needed.
        assert_eq!(store.trim().len(), 0);
        let used = store.take(SMALLEST).unwrap_or_default();
        store.give(used);
        // One of the three was in use meanwhile.
        assert_eq!(store.trim().len(), 2);
        assert_eq!(store.trim().len(), 1);
        assert_eq!(store.bytes, 0);
    }

    #[test]
    fn drops_what_it_did_not_give_out() {
        let odd = SMALLEST + 1;
        give(Vec::with_capacity(odd));
        with(|store| assert!(store.idle.iter().all(|buffer| buffer.capacity() != odd)));
    }
}
