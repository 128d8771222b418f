//! From the bytes that a read brings to the records that JavaScript gets: through the decoder into a batch.

use std::mem;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::delivery::{Batch, CHUNK, Kind, LARGE};
use super::handle::Socket;
use super::link::Chunk;
use super::tally::Yield;
use crate::buffers;
use crate::frame::{Decoder, FrameError, Payload, Sink};

/// What a record of TLS carries at most: an incomplete one may come before what is received.
const RECORD: usize = 16 * 1024;

/// Takes what one read brings.
pub(super) struct Intake<'a> {
    decoder: &'a mut Decoder,
    records: RecordSink<'a>,
    /// Where the small messages of several TLS records are gathered, to be decoded at once.
    plain: &'a mut Vec<u8>,
    /// How much is gathered there at most.
    most: usize,
    decoded: Result<(), FrameError>,
}

impl<'a> Intake<'a> {
    /// For a read of up to `room` bytes. `plain` is empty, and is so again after [`Intake::finish`].
    pub(super) fn new(
        socket: &'a Socket,
        decoder: &'a mut Decoder,
        batch: &'a mut Batch,
        plain: &'a mut Vec<u8>,
        room: usize,
    ) -> Self {
        let records = RecordSink { socket, batch, within: 0..0, found: Yield::default() };
        Self { decoder, records, plain, most: room + RECORD, decoded: Ok(()) }
    }

    /// While a large payload is arriving: its final buffer, to read into, and how many bytes of it are missing.
    pub(super) fn direct(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        self.decoder.direct()
    }

    /// Takes note of what was read into [`Intake::direct`].
    pub(super) fn direct_advance(&mut self) {
        self.decoded = self.decoder.direct_advance(&mut self.records);
    }

    /// Takes what was read. The decoder ignores what follows a broken rule.
    pub(super) fn take(&mut self, chunk: Chunk<'_>) {
        if self.decoded.is_ok() {
            self.decoded = match chunk {
                Chunk::Buffer(bytes) => self.records.decode(self.decoder, bytes),
                Chunk::Record(bytes) => self.gather(bytes),
            };
        }
    }

    /// A large payload goes straight into its final buffer, the rest is gathered.
    fn gather(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            let direct = if self.plain.is_empty() { self.decoder.direct() } else { None };
            let count = match direct {
                Some((buffer, missing)) => {
                    let count = bytes.len().min(missing);
                    buffer.extend_from_slice(&bytes[..count]);
                    self.decoder.direct_advance(&mut self.records)?;
                    count
                }
                None if self.plain.len() + bytes.len() <= self.most => {
                    if self.plain.is_empty() {
                        fit(self.plain, self.most);
                    }
                    self.plain.extend_from_slice(bytes);
                    bytes.len()
                }
                None => {
                    self.records.decode(self.decoder, self.plain)?;
                    0
                }
            };
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// What was found, for the counters, and what the peer did wrong.
    pub(super) fn finish(self) -> (Yield, Result<(), FrameError>) {
        let Self { decoder, mut records, plain, decoded, .. } = self;
        // In any case: what the next socket decrypts goes there too.
        let gathered = records.decode(decoder, plain);
        (records.found, decoded.and(gathered))
    }
}

/// Makes records of what the decoder finds.
struct RecordSink<'a> {
    socket: &'a Socket,
    batch: &'a mut Batch,
    /// The addresses of what is being decoded, while it stays where it is.
    within: Range<usize>,
    found: Yield,
}

impl RecordSink<'_> {
    /// Decodes what was read, and leaves an empty buffer. If it is a lot, JavaScript gets the very bytes.
    fn decode(&mut self, decoder: &mut Decoder, read: &mut Vec<u8>) -> Result<(), FrameError> {
        // Under TLS the rest of a large message leaves nothing here, and needs no room.
        if read.is_empty() {
            return Ok(());
        }
        let in_place = read.len() >= CHUNK && self.batch.is_empty();
        if in_place {
            let start = read.as_ptr() as usize;
            self.within = start..start + read.len();
            self.batch.begin_in_place();
        } else {
            self.batch.reserve(read.len());
        }
        let result = decoder.decode(read, self);
        if in_place {
            self.within = 0..0;
            self.batch.end_in_place(read);
        }
        read.clear();
        result
    }

    fn message_bytes(&mut self, kind: Kind, payload: &[u8]) {
        let slot = self.socket.slot;
        let at = payload.as_ptr() as usize;
        if self.within.contains(&at) {
            self.batch.push_within(slot, kind, at - self.within.start, payload.len());
        } else {
            self.batch.push(slot, kind, 0, payload);
        }
    }
}

impl Sink for RecordSink<'_> {
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]) {
        let slot = self.socket.slot;
        self.found.messages += 1;
        self.found.bytes += payload.len() as u64;
        if binary && !fragments.is_empty() {
            let lengths: Vec<u8> = fragments.iter().flat_map(|length| length.to_le_bytes()).collect();
            self.batch.push(slot, Kind::Fragments, 0, &lengths);
        }
        let kind = if binary { Kind::Binary } else { Kind::Text };
        match payload {
            Payload::Borrowed(payload) => self.message_bytes(kind, payload),
            Payload::Owned(payload) => self.batch.push_owned(slot, kind, 0, payload),
        }
    }

    fn ping(&mut self, payload: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Ping, 0, payload);
    }

    fn pong(&mut self, payload: &[u8]) {
        if payload.is_empty() && self.socket.options.keep_alive.is_some() {
            let pings = &self.socket.user_pings;
            if pings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_err()
            {
                self.found.ponged = true;
                return;
            }
        }
        self.batch.push(self.socket.slot, Kind::Pong, 0, payload);
    }

    fn close(&mut self, code: u16, reason: &[u8]) {
        self.batch.push(self.socket.slot, Kind::Close, code, reason);
    }
}

/// Makes `buffer`, an empty one, hold `size` bytes and the message which the read before had begun, and not much more,
/// for it may go to JavaScript. The last one may have gone there.
pub(super) fn fit(buffer: &mut Vec<u8>, size: usize) {
    let size = size + LARGE;
    if !(size..=2 * size).contains(&buffer.capacity()) {
        buffers::give(mem::replace(buffer, buffers::take(size)));
    }
}
