//! What one read yielded, on its way to JavaScript.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::{CHUNK, DrainEnd, FLAG_CHUNK, FLAG_LARGE, Kind, LARGE, Owner, RECORD_WORDS, Tray};
use crate::buffers;

/// A record's flag within a batch: its payload was put beside the bytes that were read, not among them.
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
        self.records.push([slot, meta, self.bytes.len() as u32, payload.len() as u32]);
        self.bytes.extend_from_slice(payload);
        self.note(payload.len());
    }

    /// From here on payloads may lie within the bytes that are being decoded: see [`Batch::push_within`].
    pub fn begin_in_place(&mut self) {
        self.in_place = true;
        self.payload = 0;
    }

    /// Adds a record whose payload lies at `offset` of the bytes that are being decoded.
    pub fn push_within(&mut self, slot: u32, kind: Kind, offset: usize, length: usize) {
        self.records.push([slot, kind as u32, offset as u32, length as u32]);
        self.note(length);
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

    fn note(&mut self, payload: usize) {
        self.payload += payload;
        self.weight += payload + RECORD_WEIGHT;
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
        large: &mut VecDeque<Vec<u8>>,
    ) -> Option<DrainEnd> {
        let until = self.records.len().min(self.next + most);
        for record in &self.records[self.next..until] {
            let at = tray.count * RECORD_WORDS;
            let Some(row) = tray.table.get_mut(at..at + RECORD_WORDS) else {
                return Some(DrainEnd::TableFull);
            };
            let &[slot, meta, offset, length] = record;
            row.copy_from_slice(record);
            if meta & FLAG_LARGE != 0 {
                large.extend(self.large.pop_front());
            } else if self.taken {
                row[1] |= FLAG_CHUNK;
            } else if has_payload(meta) {
                let (from, size) = (offset as usize, length as usize);
                let payload = &self.bytes[from..from + size];
                if size >= LARGE {
                    // Part of what was read, which can't be handed over amid the chunk of another socket.
                    large.push_back(payload.to_vec());
                    row[1] |= FLAG_LARGE;
                } else {
                    let Some(target) = tray.block.get_mut(tray.used..tray.used + size) else {
                        return Some(DrainEnd::BlockFull);
                    };
                    target.copy_from_slice(payload);
                    row.copy_from_slice(&[slot, meta, tray.used as u32, length]);
                    tray.used += size;
                }
            }
            self.next += 1;
            tray.count += 1;
        }
        None
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

/// Whether a record's length is a payload's and not just a number.
fn has_payload(meta: u32) -> bool {
    ![Kind::Sent as u32, Kind::Closed as u32].contains(&(meta & 0xff))
}
