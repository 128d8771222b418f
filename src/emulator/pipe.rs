//! Joins two legs: frames are unmasked and sent on as they arrive, without assembling messages.
//!
//! One buffer a direction is read only after the last one was written out, so a peer that does not read slows
//! down the other one and nothing piles up here. Pings are answered on the leg that they came in on.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, watch};

use super::fault::Signals;
use super::frames::{close_code, close_payload, put_frame};
use super::namespace::Namespace;
use super::namespace::channel::EndOrder;
use super::namespace::seats::PipeSeat;
use super::stream::{self, InboundConnection, InboundStream};

use crate::frame::header::Header;
use crate::frame::{self, FrameError, FramePiece, FrameReader, OpCode, Role};
use crate::sync::lock;

const CHUNK: usize = 64 * 1024;
/// Payloads from this size on are sent on from where they were read; smaller ones are gathered with their headers.
const LARGE_PIECE: usize = 4 * 1024;

/// Where in what is to be sent on a payload belongs that stayed where it was read.
type Inserted<'a> = (usize, &'a [u8]);

/// What both directions know about one leg.
#[derive(Default)]
struct PipeLeg {
    /// The latest ping that is to be answered.
    ping: Mutex<Option<Vec<u8>>>,
    pinged: Notify,
    /// The payload of the close frame that came in here.
    received_close: Mutex<Option<Vec<u8>>>,
    sent_close: AtomicBool,
    /// What was written last ended in the middle of a frame.
    mid_frame: AtomicBool,
}

impl PipeLeg {
    fn take_ping(&self) -> Option<Vec<u8>> {
        lock(&self.ping).take()
    }

    fn received_close(&self) -> Option<Vec<u8>> {
        lock(&self.received_close).clone()
    }

    fn close_code(&self) -> u16 {
        self.received_close().map_or(1006, |payload| close_code(&payload))
    }

    /// True while a frame of ours may be put in.
    fn open(&self) -> bool {
        !self.sent_close.load(Ordering::Relaxed) && !self.mid_frame.load(Ordering::Relaxed)
    }
}

/// How a direction ended.
enum DirectionEnd {
    /// The source sent a close frame, which was sent on.
    Closed,
    /// The source is gone.
    SourceLost,
    /// The destination is gone.
    TargetLost,
    /// The source broke the rules.
    Violation(FrameError),
}

struct PipeDirection<'a> {
    source: &'a PipeLeg,
    target: &'a PipeLeg,
    /// The close code for the target where codes are not carried across.
    documented_code: u16,
    carry_close_codes: bool,
    frames: FrameReader,
    /// What is to be sent on, but for large payloads.
    out: Vec<u8>,
    signals: watch::Receiver<Signals>,
}

impl PipeDirection<'_> {
    async fn run(
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
        let (mut rest, mut ping, mut close) = (bytes, None, None);
        let mut inserted: Vec<Inserted<'_>> = Vec::new();
        let broken = loop {
            match self.frames.next(&mut rest) {
                Ok(Some(FramePiece::Head(Header { opcode, fin, rsv1, len, .. }))) => {
                    frame::encode_head(&mut self.out, opcode, fin, rsv1, None, len as usize);
                }
                Ok(Some(FramePiece::Payload(bytes))) if bytes.len() >= LARGE_PIECE => {
                    inserted.push((self.out.len(), bytes));
                }
                Ok(Some(FramePiece::Payload(bytes))) => self.out.extend_from_slice(bytes),
                Ok(Some(FramePiece::Control(OpCode::Ping, payload))) => ping = Some(payload),
                Ok(Some(FramePiece::Control(OpCode::Close, payload))) => close = Some(payload),
                Ok(Some(FramePiece::Control(..))) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
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
        Ok(())
    }
}

/// Which leg.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PipeSide {
    Sender,
    Listener,
}

/// Why the pipe ended as a whole.
enum PipeOutcome {
    /// The closing handshake is complete, or its time is over.
    Closed,
    /// One leg is gone.
    Lost(PipeSide),
    /// One leg broke the rules.
    Violation(PipeSide, FrameError),
    /// The relay was told to.
    Ordered(EndOrder),
}

/// Pipes until the end; gives the close codes that the sender and the listener sent, 1006 for none.
pub async fn run(
    namespace: &Arc<Namespace>,
    sender: InboundConnection,
    listener: InboundConnection,
    extended: bool,
    mut seat: PipeSeat,
) -> (u16, u16) {
    let (sender_leg, listener_leg) = (PipeLeg::default(), PipeLeg::default());
    let direction = |source, target, documented_code| PipeDirection {
        source,
        target,
        documented_code,
        carry_close_codes: namespace.options.carry_close_codes,
        frames: FrameReader::new(Role::Server, extended),
        out: Vec::new(),
        signals: namespace.signals.subscribe(),
    };
    let mut up = direction(&sender_leg, &listener_leg, 1001);
    let mut down = direction(&listener_leg, &sender_leg, 1000);
    let (mut sender_reader, mut sender_writer) = tokio::io::split(sender.stream);
    let (mut listener_reader, mut listener_writer) = tokio::io::split(listener.stream);

    let outcome = {
        let up = up.run(&mut sender_reader, &mut listener_writer, sender.early);
        let down = down.run(&mut listener_reader, &mut sender_writer, listener.early);
        tokio::pin!(up, down);
        let (source, end) = tokio::select! {
            end = &mut up => (PipeSide::Sender, Ok(end)),
            end = &mut down => (PipeSide::Listener, Ok(end)),
            ending = seat.endings.recv() => (PipeSide::Sender, Err(ending)),
        };
        match end {
            Ok(DirectionEnd::Closed) => {
                // The other side may go on sending before it answers: a forwarded stream is half closed then.
                let answer = async {
                    match source {
                        PipeSide::Sender => down.await,
                        PipeSide::Listener => up.await,
                    }
                };
                tokio::select! {
                    end = answer => match (source, end) {
                        (_, DirectionEnd::Closed) => PipeOutcome::Closed,
                        (first, DirectionEnd::Violation(violation)) => PipeOutcome::Violation(first.other(), violation),
                        (first, DirectionEnd::SourceLost) => PipeOutcome::Lost(first.other()),
                        (first, DirectionEnd::TargetLost) => PipeOutcome::Lost(first),
                    },
                    () = tokio::time::sleep(namespace.options.half_close_time()) => PipeOutcome::Closed,
                    Some(ending) = seat.endings.recv() => PipeOutcome::Ordered(ending),
                }
            }
            Ok(DirectionEnd::SourceLost) => PipeOutcome::Lost(source),
            Ok(DirectionEnd::TargetLost) => PipeOutcome::Lost(source.other()),
            Ok(DirectionEnd::Violation(violation)) => PipeOutcome::Violation(source, violation),
            Err(Some(ending)) => PipeOutcome::Ordered(ending),
            Err(None) => PipeOutcome::Lost(PipeSide::Sender),
        }
    };

    drop(seat);
    let codes = (sender_leg.close_code(), listener_leg.close_code());
    let sender = PipeHalf { leg: &sender_leg, reader: sender_reader, writer: sender_writer };
    let listener = PipeHalf { leg: &listener_leg, reader: listener_reader, writer: listener_writer };
    match outcome {
        PipeOutcome::Closed => {
            // A leg that closed and got no answer in time gets its own code back.
            let (to_sender, to_listener) = (sender_leg.received_close(), listener_leg.received_close());
            tokio::join!(sender.finish(to_sender), listener.finish(to_listener));
        }
        // The listener is told that its sender is gone; a sender sees its connection end without a close frame.
        PipeOutcome::Lost(PipeSide::Sender) => {
            let to_listener = Some(close_payload(1001, "The sender is gone."));
            tokio::join!(sender.finish(None), listener.finish(to_listener));
        }
        PipeOutcome::Lost(PipeSide::Listener) => {
            tokio::join!(listener.finish(None), sender.finish(None));
        }
        PipeOutcome::Violation(side, violation) => {
            let broken = Some(close_payload(1002, &violation.message));
            let other = Some(close_payload(1001, "The peer broke the protocol."));
            let (to_sender, to_listener) =
                if side == PipeSide::Sender { (broken, other) } else { (other, broken) };
            tokio::join!(sender.finish(to_sender), listener.finish(to_listener));
        }
        PipeOutcome::Ordered(EndOrder::Close(code, text)) => {
            let payload = Some(close_payload(code, &text));
            tokio::join!(sender.finish(payload.clone()), listener.finish(payload));
        }
        PipeOutcome::Ordered(EndOrder::Cut { mid_frame, reset }) => {
            tokio::join!(sender.cut(mid_frame, reset), listener.cut(mid_frame, reset));
        }
    }
    codes
}

impl PipeSide {
    fn other(self) -> Self {
        match self {
            PipeSide::Sender => PipeSide::Listener,
            PipeSide::Listener => PipeSide::Sender,
        }
    }
}

struct PipeHalf<'a> {
    leg: &'a PipeLeg,
    reader: ReadHalf<InboundStream>,
    writer: WriteHalf<InboundStream>,
}

impl PipeHalf<'_> {
    /// Says goodbye where that is still possible, leaves time for an answer, and ends the connection.
    async fn finish(mut self, close: Option<Vec<u8>>) {
        if let Some(payload) = close.filter(|_| self.leg.open()) {
            let mut out = Vec::new();
            put_frame(&mut out, OpCode::Close, &payload);
            let goodbye = async {
                self.writer.write_all(&out).await?;
                self.writer.flush().await?;
                if self.leg.received_close().is_none() {
                    let mut sink = vec![0; 4096];
                    let mut frames = FrameReader::new(Role::Server, true);
                    while !frames.is_finished() {
                        let count = self.reader.read(&mut sink).await?;
                        let mut bytes = sink.get_mut(..count).unwrap_or_default();
                        if count == 0 {
                            break;
                        }
                        while let Ok(Some(_)) = frames.next(&mut bytes) {}
                    }
                }
                std::io::Result::Ok(())
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        }
        stream::finish(self.reader, self.writer).await;
    }

    /// Cuts the leg, after the beginning of a frame that will never be complete if so ordered.
    async fn cut(mut self, mid_frame: bool, reset: bool) {
        if mid_frame && self.leg.open() {
            let mut out = Vec::new();
            frame::encode_head(&mut out, OpCode::Binary, true, false, None, 1000);
            out.extend_from_slice(&[0; 10]);
            let write = async {
                self.writer.write_all(&out).await?;
                self.writer.flush().await
            };
            let _ = tokio::time::timeout(Duration::from_millis(100), write).await;
        }
        stream::cut(self.reader, self.writer, reset);
    }
}
