//! Bounds what unfinished messages take: those of which the last byte, or the last fragment, has not come yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::sync::lock;

/// Sockets that hold no more than this are not among those of which the largest is given up, and cost nothing here.
const NOTED: usize = 64 * 1024;

/// A socket, as far as what it holds of an unfinished message goes.
pub(super) trait AssemblyHolder: Send + Sync + 'static {
    /// It is to give that up.
    fn outgrow(&self);
    /// Whether it has been told so.
    fn is_outgrown(&self) -> bool;
}

/// What the sockets of one listener hold of unfinished messages.
#[derive(Debug)]
pub struct Assembling {
    limit: usize,
    total: AtomicUsize,
    /// Those that hold much, by address.
    large: Mutex<HashMap<usize, Large>>,
}

#[derive(Debug)]
struct Large {
    holder: Weak<dyn AssemblyHolder>,
    bytes: usize,
}

impl Assembling {
    /// At most `limit` bytes over all sockets.
    pub fn new(limit: usize) -> Self {
        Self { limit, total: AtomicUsize::new(0), large: Mutex::default() }
    }

    /// `socket` held `before` bytes and holds `now`. As long as it is too much together, the one that holds most is
    /// given up: its bytes are taken off at once, and it hears of it when it is polled next.
    pub(super) fn book<H: AssemblyHolder>(&self, socket: &Arc<H>, before: usize, now: usize) {
        if before == now {
            return;
        }
        let modest = before.max(now) <= NOTED;
        if modest && (socket.is_outgrown() || self.add(before, now) <= self.limit) {
            return;
        }
        let mut large = lock(&self.large);
        let key = Arc::as_ptr(socket).addr();
        if !modest {
            // Asked under the lock, under which the bytes of a socket that is given up are taken off.
            if socket.is_outgrown() {
                return;
            }
            self.add(before, now);
            if now > NOTED {
                let holder = Arc::downgrade(socket) as Weak<dyn AssemblyHolder>;
                large.insert(key, Large { holder, bytes: now });
            } else {
                large.remove(&key);
            }
        }
        while self.total.load(Ordering::Relaxed) > self.limit {
            let largest = large.iter().max_by_key(|(_, entry)| entry.bytes).map(|(key, _)| *key);
            match largest.and_then(|key| large.remove(&key)) {
                Some(Large { holder, bytes }) => {
                    self.add(bytes, 0);
                    if let Some(holder) = holder.upgrade() {
                        holder.outgrow();
                    }
                }
                // It is all held by sockets below `NOTED`: the one that has just grown is given up.
                None if now > before && !socket.is_outgrown() => {
                    self.add(now, 0);
                    return socket.outgrow();
                }
                None => return,
            }
        }
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// The new total.
    fn add(&self, before: usize, now: usize) -> usize {
        let change = now.wrapping_sub(before);
        self.total.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }
}
