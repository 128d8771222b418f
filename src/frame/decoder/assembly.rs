//! What is put together while a frame or a message is incomplete.

use super::super::header::Header;
use super::super::{OpCode, mask};
use crate::buffers;

/// Most bytes that are reserved for a payload before any of it arrived.
pub(super) const FIRST_RESERVE: usize = 16 * 1024 * 1024;

/// The frame whose payload is arriving.
#[derive(Debug)]
pub(super) struct PartialFrame {
    pub(super) header: Header,
    /// The payload so far, unmasked; behind the message's earlier fragments if it can simply be appended to them.
    pub(super) buf: Vec<u8>,
    /// Where in `buf` the frame's payload begins.
    pub(super) start: usize,
    /// End of what is unmasked. What lies behind was appended by the caller of `direct`.
    filled: usize,
}

impl PartialFrame {
    /// `buf` holds what the payload is appended to.
    pub(super) fn new(header: Header, buf: Vec<u8>) -> Self {
        let start = buf.len();
        let mut body = Self { header, buf, start, filled: start };
        body.grow();
        body
    }

    /// Bytes that have not come yet.
    pub(super) fn missing(&self) -> u64 {
        self.header.len.saturating_sub(self.filled.saturating_sub(self.start) as u64)
    }

    /// Makes room for at least one more byte of those missing, and for all of them if that is not too many on
    /// mere announcement.
    fn grow(&mut self) {
        let most = self.buf.len().max(FIRST_RESERVE) as u64;
        let room = self.missing().min(most) as usize;
        if self.buf.capacity() == 0 {
            self.buf = buffers::take(room);
        } else if self.start == 0 {
            self.buf.reserve_exact(room);
        } else {
            self.buf.reserve(room);
        }
    }

    /// How many of the missing bytes there is room for: at least one.
    pub(super) fn room(&mut self) -> usize {
        if self.buf.capacity() == self.buf.len() {
            self.grow();
        }
        let room = (self.buf.capacity() - self.buf.len()) as u64;
        room.min(self.missing()) as usize
    }

    /// Takes in masked bytes, no more than are missing.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.buf.capacity() - self.buf.len() < bytes.len() {
            self.grow();
        }
        self.buf.extend_from_slice(bytes);
        self.settle();
    }

    /// Unmasks what was appended, and says how much that was.
    pub(super) fn settle(&mut self) -> usize {
        let announced = self.start.saturating_add(usize::try_from(self.header.len).unwrap_or(usize::MAX));
        debug_assert!(self.buf.len() <= announced, "more was appended than was missing");
        self.buf.truncate(announced);
        if let (Some(key), Some(fresh)) = (self.header.key, self.buf.get_mut(self.filled..)) {
            mask::apply(fresh, key, self.filled.saturating_sub(self.start));
        }
        let fresh = self.buf.len() - self.filled;
        self.filled = self.buf.len();
        fresh
    }
}

/// The message of which at least one frame is complete.
#[derive(Debug)]
pub(super) struct PartialMessage {
    pub(super) opcode: OpCode,
    pub(super) compressed: bool,
    /// Announced bytes of all its frames.
    pub(super) total: u64,
    /// All its frames, the empty ones too.
    pub(super) frames: u32,
    /// The payload so far, inflated.
    pub(super) data: Vec<u8>,
    /// What each non-empty frame added.
    pub(super) lengths: Vec<u32>,
}

impl PartialMessage {
    /// Takes its type and compression from its first frame.
    pub(super) fn new(first: &Header) -> Self {
        Self {
            opcode: first.opcode,
            compressed: first.rsv1,
            total: 0,
            frames: 0,
            data: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Bytes that it takes.
    pub(super) fn held(&self) -> usize {
        self.data.capacity() + self.lengths.capacity() * size_of::<u32>()
    }

    /// Notes what the frame added to `data`, which held `before` bytes.
    pub(super) fn note(&mut self, header: &Header, before: usize) {
        self.total += header.len;
        self.frames = self.frames.saturating_add(1);
        let len = self.data.len().saturating_sub(before);
        if len > 0 {
            // No message is longer than `MAX_MESSAGE`, and so no frame is.
            self.lengths.push(u32::try_from(len).unwrap_or(u32::MAX));
        }
    }
}
