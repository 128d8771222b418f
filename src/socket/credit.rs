//! Whether a socket reads on: the bytes that JavaScript has been handed and has not drained yet, between the IO thread,
//! which adds to them, and JavaScript's, which takes off.

use std::sync::Arc;

use super::delivery::{Delivery, Owner};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The credit of one socket.
pub struct Credit {
    high_water: usize,
    inbound: AtomicUsize,
    newest: AtomicUsize,
    paused: AtomicBool,
    /// The task waits for JavaScript to drain what this socket has delivered.
    starved: AtomicBool,
    /// The task is among those that wait for the delivery queue to have room.
    crowded: AtomicBool,
}

impl Credit {
    /// Full credit: so many bytes may wait.
    pub fn new(high_water: usize) -> Self {
        Self {
            high_water,
            inbound: AtomicUsize::new(0),
            newest: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
        }
    }

    /// Sets whether the program wants nothing more for now. Whoever sets it to false wakes the task.
    pub fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Bytes that JavaScript has not drained.
    pub(super) fn inbound(&self) -> usize {
        self.inbound.load(Ordering::Relaxed)
    }

    /// So many bytes are about to be delivered.
    pub fn deliver(&self, bytes: usize) {
        self.newest.store(bytes, Ordering::Relaxed);
        self.inbound.fetch_add(bytes, Ordering::SeqCst);
    }

    /// So many bytes have been drained. True if the task has to be woken.
    #[must_use]
    pub fn drained(&self, bytes: usize) -> bool {
        let left = self.inbound.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        self.held(left) <= self.high_water / 2 && self.starved.swap(false, Ordering::SeqCst)
    }

    /// The queue as a whole has room again. The task has to be woken.
    pub fn room(&self) {
        self.crowded.store(false, Ordering::Release);
    }

    /// Whether so much more would stay below the high-water mark.
    pub(super) fn may_hold(&self, bytes: usize) -> bool {
        self.inbound() + bytes <= self.high_water
    }

    /// Whether reading goes on, as [`Credit::may_read`] last said. It changes nothing.
    pub(super) fn reads(&self) -> bool {
        !(self.paused.load(Ordering::Relaxed)
            || self.starved.load(Ordering::Relaxed)
            || self.crowded.load(Ordering::Relaxed))
    }

    /// Whether there is credit to read more; if not, the task is woken when there is again. Only the task that reads may
    /// ask: an answer of "yes" clears `starved`, and with it the wake-up that an earlier "no" has promised.
    ///
    /// `starved` and `inbound` are written here and in `drained` in opposite orders, so that one of the two sides
    /// sees the other: that takes sequential consistency.
    pub fn may_read(&self, delivery: &Delivery, owner: &dyn Fn() -> Arc<dyn Owner>) -> bool {
        if self.paused.load(Ordering::Relaxed) {
            return false;
        }
        if self.held(self.inbound.load(Ordering::Acquire)) >= self.high_water {
            self.starved.store(true, Ordering::SeqCst);
            // JavaScript may have drained everything between the two lines above.
            if self.held(self.inbound.load(Ordering::SeqCst)) >= self.high_water {
                return false;
            }
            self.starved.store(false, Ordering::SeqCst);
        }
        // Once in the row of those that wait, this socket need not look again.
        if self.crowded.load(Ordering::Acquire) {
            return false;
        }
        !delivery.is_full(&|| {
            self.crowded.store(true, Ordering::Release);
            owner()
        })
    }

    /// What counts against the high-water mark of `inbound` bytes: all but the newest delivery. Otherwise a message of
    /// the mark's size would stop the reading each time, and JavaScript would wait for the next one.
    fn held(&self, inbound: usize) -> usize {
        inbound.saturating_sub(self.newest.load(Ordering::Relaxed))
    }
}
