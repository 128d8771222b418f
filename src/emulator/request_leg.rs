//! The rendezvous of an HTTP request: texts and streamed binaries, over one WebSocket with a listener.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{self, Decoder, Sink};
use super::http::Upgrade;
use super::stream::Connection;

const MAX_TEXT: usize = 256 * 1024;

enum Piece {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    BinaryEnd,
    Ping(Vec<u8>),
    Close,
}

#[derive(Default)]
struct Pieces {
    text: bool,
    last: bool,
    collected: Vec<u8>,
    ready: VecDeque<Piece>,
    too_long: bool,
}

impl Sink for Pieces {
    fn begin(&mut self, first: u8, _length: u64) {
        if first & 0x0f != frame::CONTINUATION {
            self.text = first & 0x0f == frame::TEXT;
        }
        self.last = first & frame::FIN != 0;
    }

    fn payload(&mut self, bytes: &[u8]) {
        if !self.text {
            self.ready.push_back(Piece::Binary(bytes.to_vec()));
        } else if self.collected.len() + bytes.len() > MAX_TEXT {
            self.too_long = true;
        } else {
            self.collected.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) {
        if self.last {
            let text = std::mem::take(&mut self.collected);
            self.ready.push_back(if self.text { Piece::Text(text) } else { Piece::BinaryEnd });
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        match opcode {
            frame::PING => self.ready.push_back(Piece::Ping(payload.to_vec())),
            frame::CLOSE => self.ready.push_back(Piece::Close),
            _ => {}
        }
    }
}

/// An open rendezvous.
pub struct RequestLeg {
    connection: Connection,
    decoder: Decoder,
    pieces: Pieces,
}

impl RequestLeg {
    /// Completes the listener's handshake.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn open(mut connection: Connection, upgrade: &Upgrade) -> io::Result<Self> {
        upgrade.accept(&mut connection.stream, None, None).await?;
        Ok(Self { connection, decoder: Decoder::new(false), pieces: Pieces::default() })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn send_text(&mut self, text: &str) -> io::Result<()> {
        let mut out = Vec::new();
        frame::put_frame(&mut out, frame::TEXT, text.as_bytes());
        self.write(&out).await
    }

    /// Sends the next fragment of a binary message; nothing ends it.
    ///
    /// # Errors
    /// The listener is gone.
    pub async fn send_piece(&mut self, first: bool, piece: Option<&[u8]>) -> io::Result<()> {
        let opcode = if first { frame::BINARY } else { frame::CONTINUATION };
        let last = if piece.is_none() { frame::FIN } else { 0 };
        let payload = piece.unwrap_or_default();
        let mut out = Vec::with_capacity(payload.len() + 10);
        frame::put_head(&mut out, opcode | last, payload.len() as u64);
        out.extend_from_slice(payload);
        self.write(&out).await
    }

    /// The next text message.
    ///
    /// # Errors
    /// The listener is gone, or sends something else.
    pub async fn next_text(&mut self) -> io::Result<Vec<u8>> {
        match self.next().await? {
            Piece::Text(text) => Ok(text),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The next piece of a binary message; none at its end.
    ///
    /// # Errors
    /// The listener is gone, or sends something else.
    pub async fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.next().await? {
            Piece::Binary(bytes) => Ok(Some(bytes)),
            Piece::BinaryEnd => Ok(None),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Closes with `code`.
    pub async fn close(mut self, code: u16) {
        let mut out = Vec::new();
        frame::put_frame(&mut out, frame::CLOSE, &frame::close_payload(code, ""));
        let goodbye = async {
            self.write(&out).await?;
            while !matches!(self.next().await?, Piece::Close) {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        self.connection.finish().await;
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.stream.write_all(bytes).await?;
        self.connection.stream.flush().await
    }

    async fn next(&mut self) -> io::Result<Piece> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match self.pieces.ready.pop_front() {
                Some(Piece::Ping(payload)) => {
                    let mut out = Vec::new();
                    frame::put_frame(&mut out, frame::PONG, &payload);
                    self.write(&out).await?;
                }
                Some(piece) => return Ok(piece),
                None => {
                    let mut early = std::mem::take(&mut self.connection.early);
                    let bytes = if early.is_empty() {
                        let count = self.connection.stream.read(&mut buffer).await?;
                        if count == 0 {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        buffer.get_mut(..count).unwrap_or_default()
                    } else {
                        early.as_mut_slice()
                    };
                    let fed = self.decoder.feed(bytes, &mut self.pieces);
                    if self.pieces.too_long || fed.is_err() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
    }
}
