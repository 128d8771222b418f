//! The data sockets' codec: RFC 6455 frames and RFC 7692 compression, without IO.
//!
//! ```text
//!  bytes ──> Decoder ──> Sink         header ── what a frame's first bytes may say
//!                │                    mask   ── XOR, and the source of keys
//!             Inflate                 pieces ── frames for who passes them on, without messages
//!  payload ──> Deflate ──> encode ──> bytes   negotiation ── which parameters both contexts get
//! ```
//!
//! It accepts, refuses and reports exactly what ws 8 does: same checks in the same order, same `code`s, messages
//! and close statuses. An idle [`Decoder`] holds no buffer; a small message that lies whole in the chunk that was
//! read reaches the [`Sink`] without a copy.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

pub mod close;
pub mod decoder;
pub mod deflate;
pub mod encoder;
pub mod header;
pub mod mask;
pub mod negotiation;
pub mod pieces;
pub mod sink;

pub use close::{close_payload, split_close};
pub use decoder::{Decoder, DecoderOptions, most_held};
pub use deflate::{Deflate, Inflate};
pub use encoder::{encode, encode_head, encode_part, frame_len};
pub use mask::MaskKeys;
pub use negotiation::{DeflateOptions, DeflateParams, WindowBits};
pub use pieces::{FramePiece, FrameReader};
pub use sink::{Payload, Sink};

/// Largest payload of a control frame.
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// Longest header: two bytes, a 64-bit length and a masking key.
pub const MAX_HEADER: usize = 14;

/// Longest message there is, also without a limit: a record says its length in 32 bits, and Node 20 makes buffers of 4 GiB
/// at most.
pub const MAX_MESSAGE: u64 = u32::MAX as u64;

/// What a close frame without a payload is reported as.
pub const NO_STATUS: u16 = 1005;

/// Payloads of at least this many bytes are received into a buffer of their own.
pub const DEFAULT_LARGE: usize = 32 * 1024;

/// Which end of the connection this side is. Azure Relay has both the sender and the listener dial, so both are
/// clients; the relay's legs are servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Masks what it sends and refuses masked frames.
    Client,
    /// Sends as it is and refuses unmasked frames.
    Server,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of a message.
    Continuation = 0,
    /// A text message, or its first fragment.
    Text = 1,
    /// A binary message, or its first fragment.
    Binary = 2,
    /// The closing handshake.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping, or comes unasked.
    Pong = 10,
}

impl OpCode {
    /// Whether the frame is a control frame: never fragmented, at most 125 bytes.
    pub fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Why the peer's bytes were refused, in the terms of ws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrameError {
    /// The stable `code` that users match: `WS_ERR_…` or zlib's.
    pub code: &'static str,
    /// Whether JavaScript gets a `RangeError` (or else an `Error`).
    pub range: bool,
    /// ws's text, word for word.
    pub message: Cow<'static, str>,
    /// Close status that the peer is told.
    pub status: u16,
    /// zlib's number, for its errors only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FrameError {}

impl FrameError {
    #[cold]
    fn invalid(code: &'static str, what: fmt::Arguments<'_>) -> Self {
        let message = Cow::Owned(format!("Invalid WebSocket frame: {what}"));
        Self { code, range: true, message, status: 1002, errno: None }
    }

    #[cold]
    fn limit(code: &'static str, message: &'static str, status: u16) -> Self {
        Self { code, range: true, message: Cow::Borrowed(message), status, errno: None }
    }

    #[cold]
    fn invalid_opcode(opcode: u8) -> Self {
        Self::invalid("WS_ERR_INVALID_OPCODE", format_args!("invalid opcode {opcode}"))
    }

    #[cold]
    fn too_big() -> Self {
        Self::limit("WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", "Max payload size exceeded", 1009)
    }

    #[cold]
    fn too_many_fragments() -> Self {
        Self::limit("WS_ERR_TOO_MANY_BUFFERED_PARTS", "Too many message fragments", 1008)
    }

    #[cold]
    fn invalid_utf8() -> Self {
        Self {
            range: false,
            status: 1007,
            ..Self::invalid("WS_ERR_INVALID_UTF8", format_args!("invalid UTF-8 sequence"))
        }
    }

    /// `text` is zlib's own, when it has one; Node says "Zlib error" otherwise.
    #[cold]
    fn corrupt(text: Option<&str>) -> Self {
        let message = text.map_or(Cow::Borrowed("Zlib error"), |text| Cow::Owned(text.to_owned()));
        Self { code: "Z_DATA_ERROR", range: false, message, status: 1007, errno: Some(-3) }
    }

    /// zlib refused to compress, which no input makes it do.
    #[cold]
    fn deflate_failed() -> Self {
        let message = Cow::Borrowed("Zlib error");
        Self { code: "Z_STREAM_ERROR", range: false, message, status: 1011, errno: Some(-2) }
    }
}

/// Whether `code` may stand in a close frame.
pub fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
