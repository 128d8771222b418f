//! One way through a pipe: frames are unmasked and sent on as they arrive, without assembling messages.
//!
//! One buffer is read only after the last one was written out, so a peer that does not read slows down the other
//! one and nothing piles up here. Pings are answered on the leg that they came in on.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::fault::Signals;
use super::frames::put_frame;
use super::message_tap::{MessageTap, TappedPipe};
use super::namespace::Namespace;
use super::pipe_leg::PipeLeg;
use super::stream::InboundStream;
use crate::frame::header::Header;
use crate::frame::{self, FrameError, FramePiece, FrameReader, OpCode, Role, close_payload};
use crate::sync::lock;

const CHUNK: usize = 64 * 1024;
/// Payloads from this size on are sent on from where they were read; smaller ones are gathered with their headers.
const LARGE_PIECE: usize = 4 * 1024;

/// Where in what is to be sent on a payload belongs that stayed where it was read.
type Inserted<'a> = (usize, &'a [u8]);

/// The documented close codes, where codes are not carried across.
const TO_LISTENER: u16 = 1001;
const TO_SENDER: u16 = 1000;

/// How a direction ended.
pub enum DirectionEnd {
    /// The source sent a close frame, which was sent on.
    Closed,
    /// The source is gone.
    SourceLost,
    /// The destination is gone.
    TargetLost,
    /// The source broke the rules.
    Violation(FrameError),
}

/// One way through a pipe.
pub struct PipeDirection<'a> {
    source: &'a PipeLeg,
    target: &'a PipeLeg,
    /// The close code for the target where codes are not carried across.
    documented_code: u16,
    carry_close_codes: bool,
    frames: FrameReader,
    /// What is to be sent on, but for large payloads.
    out: Vec<u8>,
    signals: watch::Receiver<Signals>,
    namespace: &'a Namespace,
    pipe: &'a TappedPipe,
    to_listener: bool,
    /// There once somebody records.
    tap: Option<MessageTap>,
}

impl<'a> PipeDirection<'a> {
    /// From `source` to `target`, of which one is the listener's.
    pub fn new(
        source: &'a PipeLeg,
        target: &'a PipeLeg,
        namespace: &'a Namespace,
        pipe: &'a TappedPipe,
        extended: bool,
        to_listener: bool,
    ) -> Self {
        Self {
            source,
            target,
            documented_code: if to_listener { TO_LISTENER } else { TO_SENDER },
            carry_close_codes: namespace.options.carry_close_codes,
            frames: FrameReader::new(Role::Server, extended),
            out: Vec::new(),
            signals: namespace.signals.subscribe(),
            namespace,
            pipe,
            to_listener,
            tap: None,
        }
    }

    /// Sends on what comes until the end; `early` came with the handshake.
    pub async fn run(
        &mut self,
        reader: &mut ReadHalf<InboundStream>,
        writer: &mut WriteHalf<InboundStream>,
        early: Vec<u8>,
    ) -> DirectionEnd {
        let mut buffer = vec![0; CHUNK];
        if !early.is_empty() {
            let mut early = early;
            if let Some(end) = self.pass(&mut early, writer).await {
                return end;
            }
        }
        loop {
            if !self.frames.in_payload()
                && let Some(payload) = self.target.take_ping()
            {
                put_frame(&mut self.out, OpCode::Pong, &payload);
                if self.write(writer, &[]).await.is_err() {
                    return DirectionEnd::TargetLost;
                }
            }
            let read = tokio::select! {
                read = reader.read(&mut buffer) => read,
                () = self.target.pinged.notified(), if !self.frames.in_payload() => continue,
            };
            let Ok(count @ 1..) = read else {
                let _ = self.signals.wait_for(|signals| !signals.silence.data).await;
                return DirectionEnd::SourceLost;
            };
            let bytes = buffer.get_mut(..count).unwrap_or_default();
            if let Some(end) = self.pass(bytes, writer).await {
                return end;
            }
        }
    }

    /// Sends on what was read.
    async fn pass(
        &mut self,
        bytes: &mut [u8],
        writer: &mut WriteHalf<InboundStream>,
    ) -> Option<DirectionEnd> {
        let _ = self.signals.wait_for(|signals| !signals.silence.data).await;
        if self.tap.is_none()
            && let Some(store) = self.namespace.recorder()
        {
            self.tap = Some(MessageTap::new(Arc::clone(store), self.pipe.clone(), self.to_listener));
        }
        let (mut rest, mut ping, mut close) = (bytes, None, None);
        let mut inserted: Vec<Inserted<'_>> = Vec::new();
        let broken = loop {
            match self.frames.next(&mut rest) {
                Ok(Some(FramePiece::Head(header))) => {
                    let Header { opcode, fin, rsv1, len, .. } = header;
                    frame::encode_head(&mut self.out, opcode, fin, rsv1, None, len as usize);
                    if let Some(tap) = &mut self.tap {
                        tap.head(&header);
                    }
                }
                Ok(Some(FramePiece::Payload(bytes))) => {
                    if let Some(tap) = &mut self.tap {
                        tap.payload(bytes, !self.frames.in_payload());
                    }
                    if bytes.len() >= LARGE_PIECE {
                        inserted.push((self.out.len(), bytes));
                    } else {
                        self.out.extend_from_slice(bytes);
                    }
                }
                Ok(Some(FramePiece::Control(opcode, payload))) => {
                    if let Some(tap) = &mut self.tap {
                        tap.control(opcode, &payload);
                    }
                    match opcode {
                        OpCode::Ping => ping = Some(payload),
                        OpCode::Close => close = Some(payload),
                        _ => {}
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(tap) = &mut self.tap {
            tap.flush();
            let large: usize = inserted.iter().map(|(_, bytes)| bytes.len()).sum();
            tap.figures().buffered.store((self.out.len() + large) as u64, Ordering::Relaxed);
        }
        if let Some(payload) = ping
            && !self.signals.borrow().swallow_pongs
        {
            *lock(&self.source.ping) = Some(payload);
            self.source.pinged.notify_one();
        }
        if let Some(payload) = &close {
            let sent_on = match self.target.received_close() {
                // An answer: the first to close hears its own code back unless the answer's is carried.
                Some(own) if !self.carry_close_codes => own,
                None if !self.carry_close_codes => close_payload(self.documented_code, ""),
                _ => payload.clone(),
            };
            put_frame(&mut self.out, OpCode::Close, &sent_on);
            let mut received = lock(&self.source.received_close);
            *received = Some(payload.clone());
        }
        if self.write(writer, &inserted).await.is_err() {
            return Some(DirectionEnd::TargetLost);
        }
        if close.is_some() {
            self.target.sent_close.store(true, Ordering::Relaxed);
            return Some(DirectionEnd::Closed);
        }
        broken.map(DirectionEnd::Violation)
    }

    async fn write(
        &mut self,
        writer: &mut WriteHalf<InboundStream>,
        inserted: &[Inserted<'_>],
    ) -> std::io::Result<()> {
        let _ = self.signals.wait_for(|signals| !signals.silence.data).await;
        // Whoever drops this future halfway finds the leg marked as unusable.
        self.target.mid_frame.store(true, Ordering::Relaxed);
        let mut slices = Vec::with_capacity(2 * inserted.len() + 1);
        let mut from = 0;
        for (at, bytes) in inserted {
            slices.extend([&self.out[from..*at], *bytes].map(IoSlice::new));
            from = *at;
        }
        slices.push(IoSlice::new(&self.out[from..]));
        let mut left = &mut slices[..];
        // Those in front that are empty or written.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match writer.write_vectored(left).await? {
                0 => return Err(std::io::ErrorKind::WriteZero.into()),
                count => IoSlice::advance_slices(&mut left, count),
            }
        }
        writer.flush().await?;
        self.target.mid_frame.store(self.frames.in_payload(), Ordering::Relaxed);
        self.out.clear();
        if let Some(tap) = &self.tap {
            tap.figures().buffered.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Nothing more passes.
    pub fn end(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.end();
        }
    }
}
