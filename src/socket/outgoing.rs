//! What a socket has yet to write: encoded frames in segments, and messages that wait for the compressor.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use crate::buffers;
use crate::frame::{self, MaskKeys, OpCode};

/// Frames are gathered into segments of about this size; a larger frame has segments of its own.
const SEGMENT: usize = 64 * 1024;
/// The size of those.
const PIECE: usize = 256 * 1024;
/// Emptied segments that a thread keeps for the next socket that writes.
const POOL: usize = 4;
/// Room for receipts that a socket keeps when none is outstanding.
const SPARE_RECEIPTS: usize = 64;

thread_local! {
    static SEGMENTS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// How a frame is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masking {
    /// Not at all, which no server accepts from a client.
    None,
    /// With a random key, as RFC 6455 section 5.3 wants it.
    Random,
    /// With the user's key.
    Key([u8; 4]),
}

impl Masking {
    /// The key to use.
    pub fn key(self, keys: &mut MaskKeys) -> Option<[u8; 4]> {
        match self {
            Masking::None => None,
            Masking::Random => Some(keys.next_key()),
            Masking::Key(key) => Some(key),
        }
    }
}

/// One frame as JavaScript asked for it.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    /// What kind of frame.
    pub opcode: OpCode,
    /// Whether it ends its message.
    pub fin: bool,
    /// Whether it carries RSV1: the first frame of a compressed message.
    pub rsv1: bool,
    /// Whether its payload is to be compressed.
    pub compress: bool,
    /// How it is masked.
    pub mask: Masking,
    /// Whether JavaScript wants to know when the kernel has it.
    pub receipt: bool,
}

/// A message that waits for the compressor, or behind one that does.
pub struct HeldFrame {
    /// The frame it is to become.
    pub outline: Outline,
    /// Its payload, uncompressed.
    pub payload: Vec<u8>,
}

/// The bytes and messages that a socket has yet to write.
#[derive(Default)]
pub struct Outgoing {
    segments: VecDeque<Vec<u8>>,
    head: usize,
    bytes: usize,
    appended: u64,
    /// How far the kernel has it; what lies between that and `bytes` is encrypted and waits.
    settled: u64,
    receipts: VecDeque<u64>,
    waiting: VecDeque<HeldFrame>,
    waiting_bytes: usize,
    compressing: bool,
    /// Bytes that have come from the compressor since the last attempt to write. JavaScript counts their payloads until
    /// it hears of them, as ws counts what it compresses; so they are not counted here, too.
    fresh: usize,
}

impl Outgoing {
    /// True when nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0 && !self.is_waiting()
    }

    /// Encoded bytes that can be written now.
    pub fn ready(&self) -> usize {
        self.bytes
    }

    /// Bytes not yet taken by the kernel: frames with their headers, and payloads that wait for compression.
    pub fn len(&self) -> usize {
        (self.appended - self.settled) as usize - self.fresh + self.waiting_bytes
    }

    /// Bytes of frames that the kernel has.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// True where a new frame has to queue behind one that waits for the compressor.
    pub fn is_waiting(&self) -> bool {
        self.compressing || !self.waiting.is_empty()
    }

    /// Encodes a frame behind what is there.
    pub fn append(&mut self, outline: Outline, mask: Option<[u8; 4]>, payload: &[u8]) {
        let size = frame::frame_len(payload.len(), mask.is_some());
        let Outline { opcode, fin, rsv1, .. } = outline;
        if size <= SEGMENT {
            frame::encode(self.segment_for(size), opcode, fin, rsv1, mask, payload);
        } else {
            let mut segment = buffers::take(size.min(PIECE));
            frame::encode_head(&mut segment, opcode, fin, rsv1, mask, payload.len());
            self.append_pieces(segment, mask, payload);
        }
        self.bytes += size;
        self.appended += size as u64;
        if outline.receipt {
            self.receipts.push_back(self.appended);
        }
    }

    /// Divides a large payload, so that what is written can be used again while the rest of it waits.
    fn append_pieces(&mut self, mut segment: Vec<u8>, mask: Option<[u8; 4]>, mut rest: &[u8]) {
        loop {
            let room = (PIECE - segment.len()) & !3;
            let (piece, after) = rest.split_at(room.min(rest.len()));
            frame::encode_part(&mut segment, mask, piece);
            self.segments.push_back(segment);
            if after.is_empty() {
                return;
            }
            rest = after;
            segment = buffers::take(rest.len().min(PIECE));
        }
    }

    /// Queues a message for the compressor.
    pub fn wait(&mut self, outline: Outline, payload: Vec<u8>) {
        self.waiting_bytes += payload.len();
        self.waiting.push_back(HeldFrame { outline, payload });
    }

    /// The next message for the compressor. Until [`Outgoing::append_compressed`] all others stay behind it.
    pub fn next_waiting(&mut self) -> Option<HeldFrame> {
        let next = self.waiting.pop_front()?;
        self.compressing = true;
        Some(next)
    }

    /// Appends what has become of the message that was taken last; its payload had `original` bytes.
    pub fn append_compressed(
        &mut self,
        outline: Outline,
        mask: Option<[u8; 4]>,
        payload: &[u8],
        original: usize,
    ) {
        self.compressing = false;
        self.waiting_bytes -= original;
        let before = self.appended;
        self.append(outline, mask, payload);
        self.fresh += (self.appended - before) as usize;
    }

    /// The bytes to write next, in order; returns how many of `slices` were filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (segment, slice) in self.segments.iter().zip(slices.iter_mut()) {
            let from = if count == 0 { self.head } else { 0 };
            *slice = IoSlice::new(&segment[from..]);
            count += 1;
        }
        count
    }

    /// What is there is being written, as far as the kernel takes it.
    pub fn attempt(&mut self) {
        self.fresh = 0;
    }

    /// `count` bytes were taken: by the kernel, once [`Outgoing::settle`] says so.
    pub fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(segment) = self.segments.front() {
            let left = segment.len() - self.head;
            if count < left {
                self.head += count;
                return;
            }
            count -= left;
            self.head = 0;
            if let Some(segment) = self.segments.pop_front() {
                give_back(segment);
            }
        }
    }

    /// The kernel has everything that was taken so far.
    pub fn settle(&mut self) {
        self.settled = self.appended - self.bytes as u64;
    }

    /// How many receipts have become due.
    pub fn due_receipts(&mut self) -> u32 {
        let due = self.receipts.partition_point(|&position| position <= self.settled);
        self.receipts.drain(..due);
        if self.receipts.is_empty() && self.receipts.capacity() > SPARE_RECEIPTS {
            self.receipts = VecDeque::new();
        }
        due as u32
    }

    fn segment_for(&mut self, size: usize) -> &mut Vec<u8> {
        let fits = self.segments.back().is_some_and(|last| last.len() + size <= SEGMENT);
        if !fits {
            self.segments.push_back(borrow());
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        for segment in mem::take(&mut self.segments) {
            give_back(segment);
        }
    }
}

/// A segment to fill. Idle sockets hold none: they borrow from their thread while there is something to write.
fn borrow() -> Vec<u8> {
    SEGMENTS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

fn give_back(mut segment: Vec<u8>) {
    if segment.capacity() > 2 * SEGMENT {
        return buffers::give(segment);
    }
    // A thread that is ending has no pool any more; the segment is then just dropped.
    let _ = SEGMENTS.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < POOL {
            segment.clear();
            pool.push(segment);
        }
    });
}

#[cfg(test)]
mod tests;
