//! Joins two legs: frames are unmasked and sent on as they arrive, without assembling messages.
//!
//! One buffer a direction is read only after the last one was written out, so a peer that does not read slows
//! down the other one and nothing piles up here. Pings are answered on the leg that they came in on.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::fault::Signals;
use super::frames::{close_payload, put_frame};
use super::message_tap::{MessageTap, TappedPipe};
use super::namespace::Namespace;
use super::namespace::channel::EndOrder;
use super::namespace::seats::PipeSeat;
use super::pipe_leg::{PipeHalf, PipeLeg};
use super::record::{PipeEnd, millis_since};
use super::stream::{InboundConnection, InboundStream};

use crate::frame::header::Header;
use crate::frame::{self, FrameError, FramePiece, FrameReader, OpCode, Role};
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
    namespace: &'a Namespace,
    pipe: &'a TappedPipe,
    to_listener: bool,
    /// There once somebody records.
    tap: Option<MessageTap>,
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

/// Pipes until the end, under the names by which `path` and `id` are known; tells how that came.
pub async fn run(
    namespace: &Arc<Namespace>,
    sender: InboundConnection,
    listener: InboundConnection,
    extended: bool,
    mut seat: PipeSeat,
    (path, id): (&str, &str),
) -> PipeEnd {
    let began = Instant::now();
    let pipe = TappedPipe { path: path.into(), id: id.into(), figures: Arc::clone(&seat.figures) };
    let (sender_leg, listener_leg) = (PipeLeg::default(), PipeLeg::default());
    let direction = |source, target, documented_code| PipeDirection {
        source,
        target,
        documented_code,
        carry_close_codes: namespace.options.carry_close_codes,
        frames: FrameReader::new(Role::Server, extended),
        out: Vec::new(),
        signals: namespace.signals.subscribe(),
        namespace: namespace.as_ref(),
        pipe: &pipe,
        to_listener: documented_code == TO_LISTENER,
        tap: None,
    };
    let mut up = direction(&sender_leg, &listener_leg, TO_LISTENER);
    let mut down = direction(&listener_leg, &sender_leg, TO_SENDER);
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
    let (sender_code, sender_reason) = sender_leg.goodbye();
    let (listener_code, listener_reason) = listener_leg.goodbye();
    let (cause, duration) = (outcome.name(), millis_since(began));
    let end = PipeEnd { sender_code, sender_reason, listener_code, listener_reason, cause, duration };
    for tap in [&mut up.tap, &mut down.tap].into_iter().flatten() {
        tap.end();
    }
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
    end
}

impl PipeOutcome {
    fn name(&self) -> &'static str {
        match self {
            PipeOutcome::Closed => "closed",
            PipeOutcome::Lost(PipeSide::Sender) => "senderLost",
            PipeOutcome::Lost(PipeSide::Listener) => "listenerLost",
            PipeOutcome::Violation(..) => "violation",
            PipeOutcome::Ordered(_) => "ordered",
        }
    }
}

impl PipeSide {
    fn other(self) -> Self {
        match self {
            PipeSide::Sender => PipeSide::Listener,
            PipeSide::Listener => PipeSide::Sender,
        }
    }
}
