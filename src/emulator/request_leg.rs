//! The rendezvous of an HTTP request: texts and streamed binaries, over one WebSocket with a listener.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frames::{close_payload, put_frame};
use super::http::Upgrade;
use super::stream::InboundConnection;
use crate::frame::{self, FramePiece, FrameReader, OpCode, Role};

const MAX_TEXT: usize = 256 * 1024;

/// How much is read at a time.
const READ: usize = 16 * 1024;

enum LegPart {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    BinaryEnd,
    Close,
}

/// An open rendezvous.
pub struct RequestLeg {
    connection: InboundConnection,
    /// `connection.early` has what was read last; this much of it is used up.
    used: usize,
    frames: FrameReader,
    /// The message at hand: its kind, its text so far, whether its last frame has begun, and has ended.
    is_text: bool,
    text: Vec<u8>,
    last: bool,
    ended: bool,
}

impl RequestLeg {
    /// Completes the listener's handshake.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn open(mut connection: InboundConnection, upgrade: &Upgrade) -> io::Result<Self> {
        upgrade.accept(&mut connection.stream, None, None).await?;
        let frames = FrameReader::new(Role::Server, false);
        let text = Vec::new();
        Ok(Self { connection, used: 0, frames, is_text: false, text, last: false, ended: false })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn send_text(&mut self, text: &str) -> io::Result<()> {
        let mut out = Vec::new();
        put_frame(&mut out, OpCode::Text, text.as_bytes());
        self.write(&out).await
    }

    /// Sends the next fragment of a binary message; `None` ends it.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn send_piece(&mut self, first: bool, piece: Option<&[u8]>) -> io::Result<()> {
        let opcode = if first { OpCode::Binary } else { OpCode::Continuation };
        let mut out = Vec::new();
        frame::encode(&mut out, opcode, piece.is_none(), false, None, piece.unwrap_or_default());
        self.write(&out).await
    }

    /// The next text message.
    ///
    /// # Errors
    /// The listener is gone, or sends something else.
    pub async fn next_text(&mut self) -> io::Result<Vec<u8>> {
        match self.next().await? {
            LegPart::Text(text) => Ok(text),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The next piece of a binary message; none at its end.
    ///
    /// # Errors
    /// The listener is gone, or sends something else.
    pub async fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.next().await? {
            LegPart::Binary(bytes) => Ok(Some(bytes)),
            LegPart::BinaryEnd => Ok(None),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Closes with `code`.
    pub async fn close(mut self, code: u16) {
        let mut out = Vec::new();
        put_frame(&mut out, OpCode::Close, &close_payload(code, ""));
        let goodbye = async {
            self.write(&out).await?;
            while !matches!(self.next().await?, LegPart::Close) {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        self.connection.finish().await;
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.stream.write_all(bytes).await?;
        self.connection.stream.flush().await
    }

    async fn next(&mut self) -> io::Result<LegPart> {
        loop {
            if std::mem::take(&mut self.ended) {
                let text = std::mem::take(&mut self.text);
                return Ok(if self.is_text { LegPart::Text(text) } else { LegPart::BinaryEnd });
            }
            let mut unread = self.connection.early.get_mut(self.used..).unwrap_or_default();
            let before = unread.len();
            let piece = self.frames.next(&mut unread).map_err(|_| io::ErrorKind::InvalidData)?;
            self.used += before - unread.len();
            match piece {
                Some(FramePiece::Head(header)) => {
                    if header.opcode != OpCode::Continuation {
                        self.is_text = header.opcode == OpCode::Text;
                    }
                    self.last = header.fin;
                    self.ended = self.last && !self.frames.in_payload();
                }
                Some(FramePiece::Payload(bytes)) => {
                    self.ended = self.last && !self.frames.in_payload();
                    if !self.is_text {
                        return Ok(LegPart::Binary(bytes.to_vec()));
                    }
                    if self.text.len() + bytes.len() > MAX_TEXT {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    self.text.extend_from_slice(bytes);
                }
                Some(FramePiece::Control(OpCode::Ping, payload)) => {
                    let mut out = Vec::new();
                    put_frame(&mut out, OpCode::Pong, &payload);
                    self.write(&out).await?;
                }
                Some(FramePiece::Control(OpCode::Close, _)) => return Ok(LegPart::Close),
                Some(FramePiece::Control(..)) => {}
                None => {
                    self.connection.early.clear();
                    self.used = 0;
                    self.connection.early.reserve(READ);
                    if self.connection.stream.read_buf(&mut self.connection.early).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }
}
