//! The relayed end of a stream: a WebSocket whose messages' borders mean nothing.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::error::{ErrorKind, RelayError};
use crate::frame::{
    FrameError, FramePiece, FrameReader, MAX_HEADER, MaskKeys, OpCode, Role, close_payload, split_close,
};
use crate::socket::{Chunk, Masking, Outgoing, Outline, ReadStep, SocketLink, Tuning};
use crate::transport::{self, DialRequest, tcp};

/// What one read yields at most; so much waits for a target that does not take it.
pub(super) const READ: usize = 64 * 1024;
/// Under TLS the beginning of a record may come before what is read, and the rest of it behind.
const INCOMPLETE: usize = 40 * 1024;
/// The longest payload that is sent: with its header it fills one segment of the outgoing queue.
pub(super) const FRAME: usize = 64 * 1024 - MAX_HEADER;

/// What the streams of a thread use in turn; nothing is kept in it between two of them.
#[derive(Default)]
pub(super) struct ForwardBuffers {
    /// What was received, as it came.
    wire: Vec<u8>,
    /// The same, decrypted.
    plain: Vec<u8>,
    /// What the local side has sent.
    pub(super) local: Vec<u8>,
    pub(super) keys: MaskKeys,
}

thread_local! {
    static BUFFERS: RefCell<ForwardBuffers> = RefCell::default();
}

/// Lends the thread's buffers.
pub(super) fn with_buffers<T>(act: impl FnOnce(&mut ForwardBuffers) -> T) -> T {
    BUFFERS.with_borrow_mut(act)
}

/// After a panic: what was in them is nobody else's.
pub(super) fn drop_buffers() {
    drop(BUFFERS.take());
}

/// The peer's close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerClose {
    pub(super) code: u16,
    pub(super) reason: String,
}

/// Why a relayed connection is of no use any more.
pub(super) enum WireFailure {
    Lost(io::Error),
    Broken(FrameError),
}

/// One relayed connection.
pub(super) struct RelayedWire {
    link: SocketLink,
    frames: FrameReader,
    out: Outgoing,
    /// Bytes that came with the handshake's answer.
    early: Vec<u8>,
    pub(super) close: Option<PeerClose>,
    pub(super) close_sent: bool,
    /// The connection has ended, with a close frame or without.
    pub(super) ended: bool,
    /// A pong has come since this was looked at last.
    pub(super) ponged: bool,
}

impl RelayedWire {
    /// Opens the connection.
    ///
    /// # Errors
    /// Those of the dial; what the relay answered instead; [`ErrorKind::Handshake`].
    pub(super) async fn open(
        request: &mut DialRequest,
        protocols: &[String],
        tuning: Tuning,
    ) -> Result<Self, RelayError> {
        let opened = transport::open(request).await?;
        if !opened.response.is_upgrade() {
            return Err(RelayError::refused(opened.response.status, &opened.response.reason));
        }
        transport::check_upgrade(&opened.response, &opened.key, protocols, false)
            .map_err(|why| RelayError::new(ErrorKind::Handshake, why))?;
        let (tcp, tls, decrypted) = opened.stream.into_parts();
        let mut early = opened.leftover;
        early.extend(decrypted);
        Ok(Self {
            link: SocketLink::new(tcp, tls, tuning),
            frames: FrameReader::new(Role::Client, false),
            out: Outgoing::default(),
            early,
            close: None,
            close_sent: false,
            ended: false,
            ponged: false,
        })
    }

    /// Whether a read may bring something.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() { self.link.poll_readable(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Reads once, and gives the payload of data frames to `take` as it comes. True where something came.
    pub(super) fn read(
        &mut self,
        buffers: &mut ForwardBuffers,
        mut take: impl FnMut(&[u8]),
    ) -> Result<bool, WireFailure> {
        let ForwardBuffers { wire, plain, keys, .. } = buffers;
        let Self { link, frames, out, early, close, close_sent, ponged, .. } = self;
        let mut found = Found { close, ponged, ping: None };
        let mut decoded = Ok(());
        let step = if early.is_empty() {
            plain.clear();
            wire.clear();
            // A read that is cut by the buffer's end would be taken for the last of what is there.
            wire.reserve(READ + INCOMPLETE);
            let step = link.read(READ, wire, |chunk| match chunk {
                Chunk::Buffer(bytes) => decoded = found.decode(frames, bytes, &mut take),
                Chunk::Record(bytes) => plain.extend_from_slice(bytes),
            });
            if !plain.is_empty() {
                decoded = found.decode(frames, plain, &mut take);
            }
            step.map_err(WireFailure::Lost)
        } else {
            let mut bytes = mem::take(early);
            decoded = found.decode(frames, &mut bytes, &mut take);
            Ok(if link.ended() { ReadStep::End } else { ReadStep::Bytes(bytes.len()) })
        };
        if let Some(payload) = found.ping.filter(|_| !*close_sent && out.ready() < READ) {
            out.append(control(OpCode::Pong), Some(keys.next_key()), &payload);
        }
        decoded.map_err(WireFailure::Broken)?;
        let step = step?;
        self.ended |= step == ReadStep::End;
        Ok(step != ReadStep::Blocked)
    }

    /// Queues bytes as one binary message.
    pub(super) fn send(&mut self, keys: &mut MaskKeys, payload: &[u8]) {
        self.out.append(control(OpCode::Binary), Some(keys.next_key()), payload);
    }

    /// Queues a ping.
    pub(super) fn beat(&mut self, keys: &mut MaskKeys, opcode: OpCode) {
        if !self.close_sent {
            self.out.append(control(opcode), Some(keys.next_key()), &[]);
        }
    }

    /// Queues a close frame, unless one was before. Nothing may follow it.
    pub(super) fn send_close(&mut self, keys: &mut MaskKeys, code: u16, reason: &str) {
        if mem::replace(&mut self.close_sent, true) {
            return;
        }
        let payload = close_payload(code, reason);
        self.out.append(control(OpCode::Close), Some(keys.next_key()), &payload);
    }

    /// Bytes that the kernel has not taken, also of what is encrypted already.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len()
    }

    /// Whether the kernel has all that was queued.
    pub(super) fn is_flushed(&self) -> bool {
        self.unwritten() == 0
    }

    /// Writes what is queued; pending where the kernel takes no more for now.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_flushed() {
            if !self.link.write(&mut self.out, false)? {
                std::task::ready!(self.link.poll_writable(cx))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is queued, ends our side and waits for the end of the other, all of it for `limit` at most.
    pub(super) async fn finish(mut self, limit: Duration) {
        let goodbye = async {
            std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
            while !self.link.shutdown()? {
                std::future::poll_fn(|cx| self.link.poll_writable(cx)).await?;
            }
            while !self.ended {
                std::future::poll_fn(|cx| self.poll_readable(cx)).await?;
                if with_buffers(|buffers| self.read(buffers, |_| {})).is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(limit, goodbye).await;
    }

    /// Reads until `enough` finds what it looks for in what has come; the bytes behind that are for the target.
    pub(super) async fn read_until<T>(
        &mut self,
        came: &mut Vec<u8>,
        mut enough: impl FnMut(&[u8]) -> Result<Option<T>, RelayError>,
    ) -> Result<T, RelayError> {
        loop {
            if let Some(found) = enough(came)? {
                return Ok(found);
            }
            if self.close.is_some() || self.ended {
                return Err(closed_early(self.close.as_ref()));
            }
            std::future::poll_fn(|cx| {
                // A ping may have come meanwhile.
                if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
                    return Poll::Ready(Err(error));
                }
                self.poll_readable(cx)
            })
            .await
            .map_err(|error| WireFailure::Lost(error).into_error())?;
            with_buffers(|buffers| self.read(buffers, |bytes| came.extend_from_slice(bytes)))
                .map_err(WireFailure::into_error)?;
        }
    }
}

/// What decoding found beside payload.
struct Found<'a> {
    close: &'a mut Option<PeerClose>,
    ponged: &'a mut bool,
    /// The last one: as each pong answers all before it, the others need none. Of a peer that does not read none is answered.
    ping: Option<Vec<u8>>,
}

impl Found<'_> {
    fn decode(
        &mut self,
        frames: &mut FrameReader,
        mut bytes: &mut [u8],
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), FrameError> {
        while let Some(piece) = frames.next(&mut bytes)? {
            match piece {
                FramePiece::Payload(bytes) => take(bytes),
                FramePiece::Control(OpCode::Ping, payload) => self.ping = Some(payload),
                FramePiece::Control(OpCode::Close, payload) => *self.close = Some(PeerClose::read(&payload)),
                FramePiece::Control(..) => *self.ponged = true,
                FramePiece::Head(_) => {}
            }
        }
        Ok(())
    }
}

impl PeerClose {
    fn read(payload: &[u8]) -> Self {
        let (code, reason) = split_close(payload);
        Self { code, reason: String::from_utf8_lossy(reason).into_owned() }
    }
}

impl WireFailure {
    pub(super) fn into_error(self) -> RelayError {
        match self {
            WireFailure::Lost(error) => lost().caused_by(tcp::io_error("read", &error)),
            WireFailure::Broken(error) => RelayError::new(ErrorKind::Protocol, error.message.into_owned()),
        }
    }
}

/// The relayed connection is gone, and nobody has said why.
pub(super) fn lost() -> RelayError {
    RelayError::new(ErrorKind::Disconnected, "The relayed connection was lost")
}

/// The peer has closed where it may not.
pub(super) fn closed_early(close: Option<&PeerClose>) -> RelayError {
    let Some(PeerClose { code, reason }) = close else { return lost() };
    let text = if reason.is_empty() { "no reason given" } else { reason };
    let mut error =
        RelayError::new(ErrorKind::Refused, format!("The peer closed the stream: {code} ({text})"));
    error.reason = Some(reason.clone());
    error
}

/// A whole frame.
fn control(opcode: OpCode) -> Outline {
    Outline { opcode, fin: true, rsv1: false, compress: false, mask: Masking::Random, receipt: false }
}
