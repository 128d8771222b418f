//! The packed queue between the IO thread and JavaScript.
//!
//! What decides the speed of a native socket is how its messages cross into V8. So nothing crosses alone: the IO
//! thread appends what one read yielded as one [`Batch`], wakes JavaScript once, and JavaScript drains everything
//! that has queued into a table of fixed-size records and one block of bytes, out of which it cuts its views. It gets
//! the records of each socket in order, and those of different sockets in turns, so that none waits for a flood.

mod batch;
mod large;
mod record;
mod turns;

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub use self::batch::Batch;
pub use self::record::{
    BLOCK, CHUNK, DrainEnd, Drained, FLAG_CHUNK, FLAG_LARGE, Kind, LARGE, Owner, RECORD_WORDS,
};

use self::large::LargeRow;
use self::record::Tray;
use self::turns::Turns;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, unpoisoned};

/// Spare batches kept for reuse.
const SPARES: usize = 8;

/// What the IO thread has pushed and JavaScript not fetched yet.
#[derive(Default)]
struct DeliveryQueue {
    batches: VecDeque<Batch>,
    spares: Vec<Batch>,
    waiting: Vec<Arc<dyn Owner>>,
    waking: bool,
    closed: bool,
}

/// What JavaScript has fetched and not drained yet.
#[derive(Default)]
struct DeliveryReader {
    turns: Turns,
    large: LargeRow,
    chunk: Option<Vec<u8>>,
    /// Records about the chunk that was handed over last are still to come, so that there must not be another.
    within_chunk: bool,
    arrived: VecDeque<Batch>,
    used: Vec<Batch>,
}

/// How far the batch came whose turn it was.
enum Served {
    /// To its end, which gives so much credit back.
    All(usize),
    /// Not to its end: another has its turn, or something is full.
    Some(Option<DrainEnd>),
}

impl DeliveryReader {
    /// Moves records of the batch whose turn it is.
    fn serve(&mut self, tray: &mut Tray<'_>) -> Served {
        let Some((batch, turn)) = self.turns.next() else { return Served::Some(None) };
        if !self.within_chunk
            && let Some(chunk) = batch.take_chunk()
        {
            self.chunk = Some(chunk);
            self.within_chunk = true;
            return Served::Some(Some(DrainEnd::Chunk));
        }
        let before = tray.count;
        let full = batch.serve(turn, tray, &mut self.large);
        if let Some(owner) = batch.is_served().then(|| batch.owner.take()).flatten() {
            owner.drained(batch.weight());
        }
        self.turns.spend(tray.count - before);
        if full.is_some() {
            return Served::Some(full);
        }
        let Some(batch) = self.turns.take_served() else { return Served::Some(None) };
        let weight = batch.weight();
        self.within_chunk &= !batch.taken;
        self.used.push(batch);
        Served::All(weight)
    }

    /// Serving the batch whose turn it is has panicked.
    fn give_up(&mut self) {
        if let Some((batch, _)) = self.turns.next() {
            batch.spoil();
        }
    }
}

/// The queue of one JavaScript environment.
pub struct Delivery {
    queue: Mutex<DeliveryQueue>,
    reader: Mutex<DeliveryReader>,
    weight: AtomicUsize,
    limit: usize,
    /// The other direction's total: bytes that wait for the peers of all sockets.
    backlog: AtomicUsize,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Delivery {
    /// A queue that holds about `limit` bytes before every socket stops reading, and calls `wake` when it stops
    /// being empty.
    pub fn new(limit: usize, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            queue: Mutex::default(),
            reader: Mutex::default(),
            weight: AtomicUsize::new(0),
            limit,
            backlog: AtomicUsize::new(0),
            wake: Box::new(wake),
        }
    }

    /// Hands `batch` over and leaves an empty one in its place; `owner` hears when its bytes have been drained.
    pub fn push(&self, batch: &mut Batch, owner: Option<Arc<dyn Owner>>) {
        if batch.is_empty() {
            return;
        }
        let mut queue = unpoisoned(self.queue.lock());
        if queue.closed {
            drop(queue);
            return batch.recycle();
        }
        batch.owner = owner;
        self.weight.fetch_add(batch.weight(), Ordering::Relaxed);
        let spare = queue.spares.pop().unwrap_or_default();
        queue.batches.push_back(mem::replace(batch, spare));
        let wake = !mem::replace(&mut queue.waking, true);
        drop(queue);
        if wake {
            (self.wake)();
        }
    }

    /// Hands over what `add` puts into a batch of its own, for which nobody waits.
    pub fn push_one(&self, add: impl FnOnce(&mut Batch)) {
        let mut batch = Batch::default();
        add(&mut batch);
        self.push(&mut batch, None);
    }

    /// A socket whose peer left it with `before` bytes has `now` bytes: the new total of all sockets.
    pub fn book(&self, before: usize, now: usize) -> usize {
        let change = now.wrapping_sub(before);
        self.backlog.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
    }

    /// True when the queue as a whole holds too much; `owner` is told when that is over.
    pub fn is_full(&self, owner: &dyn Fn() -> Arc<dyn Owner>) -> bool {
        if self.weight.load(Ordering::Relaxed) < self.limit {
            return false;
        }
        let mut queue = unpoisoned(self.queue.lock());
        if self.weight.load(Ordering::Relaxed) < self.limit || queue.closed {
            return false;
        }
        queue.waiting.push(owner());
        true
    }

    /// True when the queue holds so much that what only informs should be dropped: unlike sockets, those who report it
    /// do not stop when the queue is full.
    pub fn overflows(&self) -> bool {
        self.weight.load(Ordering::Relaxed) >= self.limit
    }

    /// Moves records into `table` and their payloads into `block`.
    pub fn drain(&self, table: &mut [u32], block: &mut [u8]) -> Drained {
        let reader = &mut *unpoisoned(self.reader.lock());
        let mut tray = Tray { table, block, count: 0, used: 0 };
        let mut taken = 0;
        // What has come since the last call need not wait until everything before it has been moved.
        self.refill(reader, 0);
        let ended = loop {
            if reader.turns.is_empty() {
                if !self.refill(reader, taken) {
                    return tray.drained(DrainEnd::Empty);
                }
                taken = 0;
            }
            match catch_unwind(AssertUnwindSafe(|| reader.serve(&mut tray))) {
                Ok(Served::All(weight)) => taken += weight,
                Ok(Served::Some(None)) => {}
                Ok(Served::Some(Some(ended))) => break ended,
                // The same records would bring it about again.
                Err(_) => reader.give_up(),
            }
        };
        self.release(taken, None);
        tray.drained(ended)
    }

    /// The large payload that a record has announced under that number.
    pub fn take_large(&self, number: u32) -> Option<Vec<u8>> {
        unpoisoned(self.reader.lock()).large.take(number)
    }

    /// The chunk that the next records are about.
    pub fn take_chunk(&self) -> Option<Vec<u8>> {
        unpoisoned(self.reader.lock()).chunk.take()
    }

    /// Drops everything, now and from now on: the environment is going away.
    pub fn close(&self) {
        let mut queue = unpoisoned(self.queue.lock());
        queue.closed = true;
        let dropped =
            (mem::take(&mut queue.batches), mem::take(&mut queue.waiting), mem::take(&mut queue.spares));
        drop(queue);
        drop(dropped);
        drop(mem::take(&mut *unpoisoned(self.reader.lock())));
    }

    /// Fetches what has queued; false, and the next push wakes again, if nothing is there or was before.
    fn refill(&self, reader: &mut DeliveryReader, taken: usize) -> bool {
        let mut queue = unpoisoned(self.queue.lock());
        for mut batch in reader.used.drain(..) {
            if queue.spares.len() < SPARES && batch.is_modest() {
                batch.recycle();
                queue.spares.push(batch);
            }
        }
        mem::swap(&mut queue.batches, &mut reader.arrived);
        let left = !reader.arrived.is_empty() || !reader.turns.is_empty();
        queue.waking = left;
        self.release(taken, Some(queue));
        for batch in reader.arrived.drain(..) {
            reader.turns.push(batch);
        }
        left
    }

    /// Takes `taken` off the total and lets those read on that waited for room.
    fn release(&self, taken: usize, queue: Option<MutexGuard<'_, DeliveryQueue>>) {
        let before = self.weight.fetch_sub(taken, Ordering::Relaxed);
        if before < self.limit {
            return;
        }
        let waiting = mem::take(&mut queue.unwrap_or_else(|| unpoisoned(self.queue.lock())).waiting);
        for owner in waiting {
            owner.room();
        }
    }
}

#[cfg(test)]
mod tests;
