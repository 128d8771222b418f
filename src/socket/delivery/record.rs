//! What one record is, which flags it has, and who is told of its way: what all parts of the queue know.

/// Words of one record: slot, meta, offset, length. Meta is kind | flags << 8 | detail << 16.
pub const RECORD_WORDS: usize = 4;
/// Payloads of this size and more cross each as a buffer of its own, without another copy.
pub const LARGE: usize = 32 * 1024;
/// The size of the block that JavaScript lends: whatever is not large fits into an empty one.
pub const BLOCK: usize = 64 * 1024;

/// A record's flag: the payload is not in the block but a buffer of its own, which the offset numbers.
pub const FLAG_LARGE: u32 = 1 << 8;
/// A record's flag: the payload lies in the chunk that was taken last, not in the block.
pub const FLAG_CHUNK: u32 = 1 << 9;
/// A batch with this many bytes of small payloads hands them over as they are, for copying them would cost more.
pub const CHUNK: usize = 16 * 1024;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A text message.
    Text = 1,
    /// A binary message.
    Binary = 2,
    /// A ping.
    Ping = 3,
    /// A pong.
    Pong = 4,
    /// The peer's close frame: detail is the code, payload the reason.
    Close = 5,
    /// A protocol error of the peer (JSON); nothing more will be read.
    Error = 6,
    /// The peer has ended its side of the connection.
    End = 7,
    /// The last record of a slot: the connection is gone, with as many bytes unwritten as the length says.
    Closed = 8,
    /// The handshake succeeded (JSON: the response's head).
    Open = 9,
    /// The dial failed (JSON: the error); `Closed` follows.
    Failed = 10,
    /// The server answered with another status than 101 (JSON: the response's head).
    Response = 11,
    /// A piece of that response's body.
    Body = 12,
    /// The end of that body.
    BodyEnd = 13,
    /// The kernel took everything up to as many more callbacks as the length says.
    Sent = 14,
    /// Lengths of the frames of the next message, 32-bit little-endian.
    Fragments = 15,
    /// An event of a listener (JSON).
    Listener = 16,
    /// We have ended our side: everything is written, and FIN behind it.
    Shut = 17,
    /// Records of the slot are missing, by a fault of this package.
    Lost = 18,
    /// A sender's offer to a listener (packed: `src/node/offer_record.rs`).
    Offer = 19,
    /// A sender's HTTP request to a listener (packed, as those that follow: `src/node/exchange_records.rs`).
    Request = 20,
    /// A piece of the body of such a request; detail 1 is the last one.
    RequestBody = 21,
    /// So many bytes of the body of an answer have left.
    AnswerSent = 22,
    /// An answer that streams is all out, or with detail 1 (JSON: the error) nobody waits for an answer any more.
    ExchangeEnd = 23,
}

/// Whom the queue tells that JavaScript took some of its bytes.
pub trait Owner: Send + Sync {
    /// `bytes` have left the queue.
    fn drained(&self, bytes: usize);
    /// The queue as a whole has room again.
    fn room(&self);
}

/// What a drain moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Records in the table.
    pub count: usize,
    /// Bytes in the block.
    pub used: usize,
    /// Why it ended there.
    pub ended: DrainEnd,
}

/// Why a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainEnd {
    /// Nothing is left; the next push wakes JavaScript again.
    Empty = 0,
    /// The table is full.
    TableFull = 1,
    /// The next payload does not fit into what is left of the block.
    BlockFull = 2,
    /// The next records are about a chunk, which has to be taken first.
    Chunk = 3,
}

/// What JavaScript lends for a drain, and how much of it is used.
pub(super) struct Tray<'a> {
    pub(super) table: &'a mut [u32],
    pub(super) block: &'a mut [u8],
    pub(super) count: usize,
    pub(super) used: usize,
}

impl Tray<'_> {
    pub(super) fn drained(&self, ended: DrainEnd) -> Drained {
        Drained { count: self.count, used: self.used, ended }
    }
}
