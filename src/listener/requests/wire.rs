//! The frames of one rendezvous: whole ones go out, in order and as far as the relay takes them; what comes in is read
//! into one buffer.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::post::Fragments;
use crate::buffers;
use crate::frame::{self, OpCode};
use crate::listener::dialer::AsyncIo;

/// What is read at once of a body, and of anything else.
const READ: usize = 64 * 1024;
const IDLE_READ: usize = 4 * 1024;
/// No more is taken up to be written while so much waits.
const ENOUGH: usize = 128 * 1024;

/// Both directions of a connection.
pub(super) struct LegWire {
    io: Box<dyn AsyncIo>,
    input: Vec<u8>,
    out: VecDeque<Outbound>,
    /// Bytes in there.
    waiting: usize,
    /// Bytes of the first one that are written.
    written: usize,
    unflushed: bool,
}

struct Outbound {
    bytes: Vec<u8>,
    /// How many of these are of a body.
    body: usize,
    pong: bool,
}

impl LegWire {
    pub(super) fn new(io: Box<dyn AsyncIo>) -> Self {
        Self { io, input: Vec::new(), out: VecDeque::new(), waiting: 0, written: 0, unflushed: false }
    }

    /// Appends a text message.
    pub(super) fn text(&mut self, text: &str) {
        self.frame(OpCode::Text, true, text.as_bytes(), 0);
    }

    /// Appends a part of a body.
    pub(super) fn part(&mut self, first: bool, last: bool, part: &[u8]) {
        let opcode = if first { OpCode::Binary } else { OpCode::Continuation };
        self.frame(opcode, last, part, part.len());
    }

    /// Appends parts of a body that are framed already.
    pub(super) fn fragments(&mut self, Fragments { bytes, body }: Fragments) {
        self.push(bytes, body);
    }

    fn frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8], body: usize) {
        let mut bytes = buffers::take(frame::frame_len(payload.len(), true));
        frame::encode(&mut bytes, opcode, fin, false, Some(rand::random()), payload);
        self.push(bytes, body);
    }

    fn push(&mut self, bytes: Vec<u8>, body: usize) {
        self.waiting += bytes.len();
        self.out.push_back(Outbound { bytes, body, pong: false });
    }

    /// Answers a ping before anything else. Only the last one needs an answer.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, OpCode::Pong, true, false, Some(rand::random()), payload);
        let at = usize::from(self.written > 0);
        if self.out.get(at).is_some_and(|next| next.pong)
            && let Some(old) = self.out.remove(at)
        {
            self.waiting -= old.bytes.len();
        }
        self.waiting += bytes.len();
        self.out.insert(at, Outbound { bytes, body: 0, pong: true });
    }

    /// Appends a close frame, the last one.
    pub(super) fn close(&mut self, code: u16) {
        self.frame(OpCode::Close, true, &code.to_be_bytes(), 0);
    }

    /// Drops what has not begun to go out.
    pub(super) fn discard(&mut self) {
        self.out.truncate(usize::from(self.written > 0));
        self.waiting = self.out.front().map_or(0, |first| first.bytes.len());
    }

    /// Bytes that are to go out.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether more may be taken up to be written.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < ENOUGH
    }

    /// Whether everything has gone out.
    pub(super) fn is_clear(&self) -> bool {
        self.out.is_empty() && !self.unflushed
    }

    /// Writes what goes without waiting: how many bytes of a body have left with it.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        let mut left = 0;
        while let Some(first) = self.out.front() {
            let Poll::Ready(count) = Pin::new(&mut self.io).poll_write(cx, &first.bytes[self.written..])
            else {
                break;
            };
            let count = count?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
            self.written += count;
            if self.written < first.bytes.len() {
                continue;
            }
            self.written = 0;
            if let Some(Outbound { bytes, body, .. }) = self.out.pop_front() {
                self.waiting -= bytes.len();
                left += body;
                buffers::give(bytes);
            }
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.io).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(left)
    }

    /// Reads into the buffer, which [`LegWire::keep`] is to get back: how much of it is new. 0 is the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        much: bool,
    ) -> Poll<io::Result<(Vec<u8>, usize)>> {
        let size = if much { READ } else { IDLE_READ };
        if self.input.len() != size {
            buffers::give(mem::replace(&mut self.input, buffers::take(size)));
            self.input.resize(size, 0);
        }
        let mut buffer = ReadBuf::new(&mut self.input);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        Poll::Ready(Ok((mem::take(&mut self.input), count)))
    }

    /// Keeps the buffer for the next read.
    pub(super) fn keep(&mut self, buffer: Vec<u8>) {
        self.input = buffer;
    }

    /// Ends our side.
    pub(super) async fn shutdown(&mut self) {
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.io).await;
    }
}

impl Drop for LegWire {
    fn drop(&mut self) {
        buffers::give(mem::take(&mut self.input));
    }
}
