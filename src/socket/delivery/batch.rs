//! What one read yielded, on its way to JavaScript.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::large::LargeRow;
use super::record::{CHUNK, DrainEnd, FLAG_CHUNK, FLAG_LARGE, Kind, LARGE, Owner, RECORD_WORDS, Tray};
use crate::buffers;

/// The part of a record's meta that says its kind.
const KIND: u32 = 0xff;
/// A record's flag within a batch: its payload is in `Batch::bytes`, while others lie in the buffer that is decoded.
const FLAG_BESIDE: u32 = 1 << 10;

/// What the bookkeeping of a record and of a batch is taken to weigh, so that a flood of empty messages is bounded
/// too, be it in one read or in one each.
const RECORD_WEIGHT: usize = 32;
const BATCH_WEIGHT: usize = 256;
/// The capacity of a batch with a payload, so that the spares fit most reads.
const LEAST_BYTES: usize = 4 * 1024;
/// The capacity above which a spare batch is dropped instead of kept.
const SPARE_BYTES: usize = 128 * 1024;
const SPARE_RECORDS: usize = 4 * 1024;

/// What one read of one socket yielded: records, their small payloads back to back, their large ones apart.
#[derive(Default)]
pub struct Batch {
    pub(super) owner: Option<Arc<dyn Owner>>,
    pub(super) records: Vec<[u32; RECORD_WORDS]>,
    pub(super) bytes: Vec<u8>,
    pub(super) large: VecDeque<Vec<u8>>,
    weight: usize,
    pub(super) next: usize,
    /// The bytes have been handed over as a chunk.
    pub(super) taken: bool,
    /// Payload among `bytes`, which may hold frame headers too.
    payload: usize,
    /// Between `begin_in_place` and `end_in_place`.
    in_place: bool,
}

impl Batch {
    /// Makes room for `size` bytes, at once rather than by doubling.
    pub fn reserve(&mut self, size: usize) {
        if self.bytes.is_empty() && self.bytes.capacity() < size {
            self.bytes = buffers::take(size.max(LEAST_BYTES));
        }
    }

    /// Adds a record whose payload is copied.
    pub fn push(&mut self, slot: u32, kind: Kind, detail: u16, payload: &[u8]) {
        if payload.len() >= LARGE {
            return self.push_owned(slot, kind, detail, payload.to_vec());
        }
        let beside = if self.in_place && !payload.is_empty() { FLAG_BESIDE } else { 0 };
        let meta = kind as u32 | beside | u32::from(detail) << 16;
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.note([slot, meta], offset, payload.len());
    }

    /// From here on payloads may lie within the bytes that are being decoded: see [`Batch::push_within`].
    pub fn begin_in_place(&mut self) {
        self.in_place = true;
        self.payload = 0;
    }

    /// Adds a record whose payload lies at `offset` of the bytes that are being decoded.
    pub fn push_within(&mut self, slot: u32, kind: Kind, offset: usize, length: usize) {
        self.note([slot, kind as u32], offset, length);
    }

    /// Takes the decoded bytes over, if a payload lies within them, and leaves another buffer in their place.
    pub fn end_in_place(&mut self, decoded: &mut Vec<u8>) {
        self.in_place = false;
        let within = self.payload > self.bytes.len();
        let base = if within { decoded.len() as u32 } else { 0 };
        if !self.bytes.is_empty() {
            for [_, meta, offset, _] in &mut self.records {
                if mem::replace(meta, *meta & !FLAG_BESIDE) & FLAG_BESIDE != 0 {
                    *offset += base;
                }
            }
        }
        if within {
            mem::swap(&mut self.bytes, decoded);
            self.bytes.extend_from_slice(decoded);
        }
    }

    /// Adds a record whose payload is among `bytes`, or will be.
    fn note(&mut self, [slot, meta]: [u32; 2], offset: usize, length: usize) {
        self.records.push([slot, meta, offset as u32, length as u32]);
        self.payload += length;
        self.weight += length + RECORD_WEIGHT;
    }

    /// All of the bytes, if that is better than to copy the payloads out of them.
    pub(super) fn take_chunk(&mut self) -> Option<Vec<u8>> {
        if self.payload < CHUNK || self.next > 0 || self.taken {
            return None;
        }
        self.taken = true;
        Some(mem::take(&mut self.bytes))
    }

    /// Moves up to `most` of the records that are left; says what is full if that is why there were not as many.
    pub(super) fn serve(
        &mut self,
        most: usize,
        tray: &mut Tray<'_>,
        large: &mut LargeRow,
    ) -> Option<DrainEnd> {
        let until = self.records.len().min(self.next + most);
        while self.next < until {
            let record @ [slot, meta, offset, length] = self.records[self.next];
            let at = tray.count * RECORD_WORDS;
            let Some(row) = tray.table.get_mut(at..at + RECORD_WORDS) else {
                return Some(DrainEnd::TableFull);
            };
            let served = if meta & FLAG_LARGE != 0 {
                match self.large.pop_front() {
                    Some(payload) => [slot, meta, large.push(payload), length],
                    None => lost(slot),
                }
            } else if !has_payload(meta, length) {
                // Its offset means nothing, for there may be no bytes at all.
                record
            } else if self.taken {
                [slot, meta | FLAG_CHUNK, offset, length]
            } else {
                let (from, size) = (offset as usize, length as usize);
                let payload = &self.bytes[from..from + size];
                if size >= LARGE {
                    // Part of what was read, which can't be handed over amid the chunk of another socket.
                    [slot, meta | FLAG_LARGE, large.push(payload.to_vec()), length]
                } else {
                    let Some(target) = tray.block.get_mut(tray.used..tray.used + size) else {
                        return Some(DrainEnd::BlockFull);
                    };
                    target.copy_from_slice(payload);
                    let offset = tray.used as u32;
                    tray.used += size;
                    [slot, meta, offset, length]
                }
            };
            row.copy_from_slice(&served);
            tray.count += 1;
            self.next += 1;
        }
        None
    }

    /// Gives up the records that are left, for serving them has failed: of their socket comes nothing but its end.
    pub(super) fn spoil(&mut self) {
        let Some(&[slot, ..]) = self.records.first() else { return };
        let mut left = self.records.split_off(self.next);
        left.retain(|[_, meta, ..]| meta & KIND == Kind::Closed as u32);
        self.large.clear();
        self.records.push(lost(slot));
        self.records.append(&mut left);
    }

    /// True once all records have been moved.
    pub(super) fn is_served(&self) -> bool {
        self.next == self.records.len()
    }

    /// Adds a record whose payload is handed over.
    pub fn push_owned(&mut self, slot: u32, kind: Kind, detail: u16, payload: Vec<u8>) {
        if payload.len() < LARGE {
            return self.push(slot, kind, detail, &payload);
        }
        self.push_apart(slot, kind, detail, payload);
    }

    /// The same, however small it is: it does not share the memory of messages, which programs may give away.
    pub fn push_apart(&mut self, slot: u32, kind: Kind, detail: u16, payload: Vec<u8>) {
        let meta = kind as u32 | FLAG_LARGE | u32::from(detail) << 16;
        self.records.push([slot, meta, 0, payload.len() as u32]);
        self.weight += payload.len() + RECORD_WEIGHT;
        self.large.push_back(payload);
    }

    /// Adds a record without a payload whose length field carries a number.
    pub fn push_count(&mut self, slot: u32, kind: Kind, detail: u16, count: u32) {
        self.records.push([slot, kind as u32 | u32::from(detail) << 16, 0, count]);
        self.weight += RECORD_WEIGHT;
    }

    /// True while nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What this batch counts against its owner's credit.
    pub fn weight(&self) -> usize {
        self.weight + BATCH_WEIGHT
    }

    pub(super) fn is_modest(&self) -> bool {
        self.bytes.capacity() <= SPARE_BYTES && self.records.capacity() <= SPARE_RECORDS
    }

    pub(super) fn recycle(&mut self) {
        self.owner = None;
        self.records.clear();
        self.bytes.clear();
        self.large.clear();
        self.weight = 0;
        self.next = 0;
        self.taken = false;
        self.payload = 0;
    }
}

/// A record that says that others of its slot are missing.
fn lost(slot: u32) -> [u32; RECORD_WORDS] {
    [slot, Kind::Lost as u32, 0, 0]
}

/// Whether there are bytes that belong to a record: its length may be zero, or just a number.
fn has_payload(meta: u32, length: u32) -> bool {
    length > 0 && ![Kind::Sent as u32, Kind::Closed as u32].contains(&(meta & KIND))
}
