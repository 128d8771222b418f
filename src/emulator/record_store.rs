//! The last records, within bounds. They stay here until somebody reads them, so that recording costs little more than
//! the copy of what a record shows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::record::{RecordDetail, RelayRecord};
use crate::sync::lock;

/// More than a preview shows is kept, so that a secret which begins at its end is seen whole and taken out.
const MARGIN: usize = 256;

/// Messages that are recorded at once, and in a second; of a longer flood the others are only counted, for nobody can look
/// at so many, and recording all of them would slow down the relay.
const BURST: u32 = 5_000;
const RATE: u64 = 10_000;

/// How much is kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordLimits {
    /// Records.
    pub max_records: usize,
    /// Their bytes, about.
    pub max_bytes: usize,
    /// Bytes that a preview shows.
    pub preview_bytes: usize,
}

/// Tells that there is something new; false where that could not be told now.
pub type RecordWake = Box<dyn Fn() -> bool + Send + Sync>;

/// The ring and who waits for it.
pub struct RecordStore {
    limits: RecordLimits,
    lanes: Mutex<RecordLanes>,
    /// Messages that may be recorded now. Only the relay's thread changes it.
    allowance: AtomicU32,
    wake: RecordWake,
}

#[derive(Default)]
struct RecordLanes {
    /// Messages have half of the room at most where the rest is wanted: a flood of them does not push out what there is to
    /// know of their connection.
    messages: RecordLane,
    others: RecordLane,
    last: u64,
    armed: bool,
    /// When the allowance grew, in microseconds.
    grew: u64,
}

#[derive(Default)]
struct RecordLane {
    records: VecDeque<Arc<RelayRecord>>,
    bytes: usize,
}

impl RecordStore {
    /// An empty one.
    pub fn new(limits: RecordLimits, wake: RecordWake) -> Self {
        Self { limits, lanes: Mutex::default(), allowance: AtomicU32::new(BURST), wake }
    }

    /// How many bytes a preview shows.
    pub fn preview(&self) -> usize {
        self.limits.preview_bytes
    }

    /// How many bytes of a message or body are kept for its preview.
    pub fn taken(&self) -> usize {
        self.limits.preview_bytes.saturating_add(MARGIN)
    }

    fn lanes(&self) -> MutexGuard<'_, RecordLanes> {
        lock(&self.lanes)
    }

    /// Keeps one more.
    pub fn push(&self, path: Arc<str>, id: Arc<str>, detail: RecordDetail) {
        self.push_all(&path, &id, std::iter::once(detail), 0);
    }

    /// Whether one more message may be recorded, and not only counted.
    pub fn allows_message(&self) -> bool {
        let left = self.allowance.load(Ordering::Relaxed);
        self.allowance.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    fn grow_allowance(&self, lanes: &mut RecordLanes, time: u64) {
        let grown = time.saturating_sub(lanes.grew).saturating_mul(RATE) / 1_000_000;
        if grown > 0 {
            lanes.grew = time;
            let left = u64::from(self.allowance.load(Ordering::Relaxed)).saturating_add(grown);
            let left = u32::try_from(left).unwrap_or(BURST).min(BURST);
            self.allowance.store(left, Ordering::Relaxed);
        }
    }

    /// Keeps some of the same time, besides which so many were only counted.
    pub fn push_all(
        &self,
        path: &Arc<str>,
        id: &Arc<str>,
        details: impl Iterator<Item = RecordDetail>,
        counted: u64,
    ) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut lanes = self.lanes();
        self.grow_allowance(&mut lanes, time);
        // To a reader they are lost.
        lanes.last += counted;
        let before = lanes.last;
        for detail in details {
            lanes.last += 1;
            let is_message = matches!(detail, RecordDetail::Message(_));
            let record =
                RelayRecord { seq: lanes.last, time, path: Arc::clone(path), id: Arc::clone(id), detail };
            let lane = if is_message { &mut lanes.messages } else { &mut lanes.others };
            lane.bytes += record.size();
            lane.records.push_back(Arc::new(record));
            lanes.make_room(&self.limits);
        }
        if lanes.last > before && std::mem::take(&mut lanes.armed) {
            // Not under the lock, and not forgotten where it could not be told.
            drop(lanes);
            if !(self.wake)() {
                self.lanes().armed = true;
            }
        }
    }

    /// At most `limit` records behind number `after`, from the oldest, as a JSON array.
    pub fn read(&self, after: u64, limit: usize) -> String {
        let records = self.lanes().after(after, limit);
        let records: Vec<&RelayRecord> = records.iter().map(Arc::as_ref).collect();
        // Texts, numbers and maps of texts: this cannot fail.
        serde_json::to_string(&records).unwrap_or_else(|_| "[]".to_owned())
    }

    /// True where there is a record behind number `after` already; otherwise the next one wakes.
    pub fn arm(&self, after: u64) -> bool {
        let mut lanes = self.lanes();
        lanes.armed = lanes.last <= after;
        !lanes.armed
    }
}

impl RecordLanes {
    fn make_room(&mut self, limits: &RecordLimits) {
        let (messages, others) = (&mut self.messages, &mut self.others);
        while messages.records.len() + others.records.len() > limits.max_records
            || messages.bytes + others.bytes > limits.max_bytes
        {
            let many =
                messages.records.len() * 2 >= limits.max_records || messages.bytes * 2 >= limits.max_bytes;
            let from_messages = others.records.is_empty() || many && !messages.records.is_empty();
            if from_messages { messages.drop_oldest() } else { others.drop_oldest() }
        }
    }

    fn after(&self, after: u64, limit: usize) -> Vec<Arc<RelayRecord>> {
        let (mut messages, mut others) = (self.messages.after(after), self.others.after(after));
        let mut records = Vec::new();
        while records.len() < limit {
            let is_message = match (messages.peek(), others.peek()) {
                (Some(message), Some(other)) => message.seq < other.seq,
                (message, _) => message.is_some(),
            };
            match if is_message { messages.next() } else { others.next() } {
                Some(record) => records.push(Arc::clone(record)),
                None => break,
            }
        }
        records
    }
}

impl RecordLane {
    fn drop_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes = self.bytes.saturating_sub(record.size());
        }
    }

    fn after(&self, after: u64) -> std::iter::Peekable<impl Iterator<Item = &Arc<RelayRecord>>> {
        let start = self.records.partition_point(|record| record.seq <= after);
        self.records.range(start..).peekable()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::emulator::record::PassedMessage;
    use crate::emulator::record_preview::RecordPreview;

    fn message(size: usize) -> RecordDetail {
        RecordDetail::Message(PassedMessage {
            direction: "toSender",
            opcode: "binary",
            size: size as u64,
            preview: RecordPreview { bytes: vec![0; size], text: false },
            cut: false,
            fragments: 1,
            compressed: false,
            incomplete: false,
        })
    }

    fn store(max_records: usize, max_bytes: usize) -> (RecordStore, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let wakes = Arc::clone(&woken);
        let wake = move || wakes.fetch_add(1, Ordering::Relaxed) > 0;
        let limits = RecordLimits { max_records, max_bytes, preview_bytes: 10 };
        (RecordStore::new(limits, Box::new(wake)), woken)
    }

    fn push(store: &RecordStore, detail: RecordDetail) {
        store.push("hyco".into(), "id".into(), detail);
    }

    fn seqs(store: &RecordStore, after: u64, limit: usize) -> Vec<u64> {
        let records: Vec<serde_json::Value> = serde_json::from_str(&store.read(after, limit)).unwrap();
        records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
    }

    #[test]
    fn it_keeps_to_its_bounds_and_messages_push_out_nothing_else() {
        let (store, _) = store(10, 1 << 20);
        for _ in 0..3 {
            push(&store, RecordDetail::TimedOut {});
        }
        for _ in 0..100 {
            push(&store, message(1));
        }
        assert_eq!(seqs(&store, 0, 100), [1, 2, 3, 97, 98, 99, 100, 101, 102, 103]);
        assert_eq!(seqs(&store, 2, 3), [3, 97, 98]);
        assert_eq!(seqs(&store, 103, 3), [0; 0]);
        for _ in 0..100 {
            push(&store, RecordDetail::TimedOut {});
        }
        assert_eq!(seqs(&store, 0, 100).len(), 10);
        assert_eq!(seqs(&store, 202, 100), [203]);
    }

    #[test]
    fn bytes_count_too_and_a_record_beyond_all_bounds_is_not_kept() {
        let (store, _) = store(1000, 10_000);
        for _ in 0..100 {
            push(&store, message(1000));
        }
        assert!((2..9).contains(&seqs(&store, 0, 100).len()));
        push(&store, message(20_000));
        assert_eq!(seqs(&store, 0, 100), [0; 0]);
        push(&store, message(1));
        assert_eq!(seqs(&store, 0, 100), [102]);
    }

    #[test]
    fn of_a_flood_only_so_many_are_recorded() {
        let (store, _) = store(10, 10_000);
        push(&store, RecordDetail::TimedOut {});
        assert_eq!((0..2 * BURST).filter(|_| store.allows_message()).count() as u32, BURST);
        store.push_all(&"".into(), &"".into(), std::iter::empty(), 7);
        push(&store, RecordDetail::TimedOut {});
        assert_eq!(seqs(&store, 0, 10), [1, 9]);
        std::thread::sleep(std::time::Duration::from_millis(2));
        push(&store, RecordDetail::TimedOut {});
        let allowed = (0..2 * BURST).filter(|_| store.allows_message()).count() as u32;
        assert!((10..=BURST).contains(&allowed), "{allowed}");
    }

    #[test]
    fn who_waits_is_woken_once_and_again_where_that_failed() {
        let (store, woken) = store(10, 10_000);
        push(&store, message(1));
        assert!(store.arm(0));
        push(&store, message(1));
        assert_eq!(woken.load(Ordering::Relaxed), 0);
        assert!(!store.arm(2));
        // The first call fails, the second one does not.
        for expected in [1, 2, 2, 2] {
            push(&store, message(1));
            assert_eq!(woken.load(Ordering::Relaxed), expected);
        }
    }
}
