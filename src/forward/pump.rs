//! Moves the bytes of one stream, both ways, until both have ended or one of them has failed.
//!
//! Each side is read only when the other has taken what was read before: who does not read slows the other down, and
//! nothing piles up here. The end of one direction leaves the other one open: the local side's end is a close frame with
//! 1000 to the peer, whose close frame is the end of what the local side gets.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::failure::StreamFailure;
use super::options::ForwardOptions;
use super::tally::StreamTally;
use super::target::LocalStream;
use super::wire::{FRAME, ForwardBuffers, READ, RelayedWire, WireFailure, closed_early, lost, with_buffers};
use crate::error::{ErrorKind, RelayError};
use crate::frame::OpCode;
use crate::keep_alive::{KeepAlive, KeepAliveMode};
use crate::socket::{Pulse, come_back, stay_awake_for_more};

/// Bytes that one direction of a stream moves before the others get their turn.
const TURN: usize = 256 * 1024;
/// Payloads from this size on go to the target from where they were read; smaller ones are gathered first.
const LARGE_PIECE: usize = 4 * 1024;
/// How long a stream of which one direction has ended may be silent in the other.
const HALF_OPEN_SECONDS: u64 = 60;
/// A close frame that may mean that the sender is gone: its end follows within this time, or it is none.
const DOUBT: Duration = Duration::from_secs(2);
/// Room that is kept for what the local side does not take at once.
const SPARE: usize = 4 * 1024;

/// The two ends, and how far they are.
pub(super) struct StreamPump {
    wire: RelayedWire,
    local: LocalStream,
    /// What the local side has not taken; `taken` bytes of it are done with.
    pending: Vec<u8>,
    taken: usize,
    /// The local side has ended what it sends.
    local_ended: bool,
    /// We have ended what it gets.
    local_finished: bool,
    keep_alive: Option<(KeepAlive, Pulse)>,
    /// Something was moved since the clock was looked at.
    moved: bool,
    half_open: Option<Instant>,
    doubt: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    spins: bool,
    tally: Arc<StreamTally>,
}

impl StreamPump {
    /// `early`: what came before the stream was open.
    pub(super) fn new(
        wire: RelayedWire,
        local: LocalStream,
        early: Vec<u8>,
        options: &ForwardOptions,
        tally: Arc<StreamTally>,
    ) -> Self {
        let keep_alive = options.keep_alive.as_ref();
        tally.received(early.len());
        Self {
            wire,
            local,
            pending: early,
            taken: 0,
            local_ended: false,
            local_finished: false,
            keep_alive: keep_alive.map(|settings| (*settings, Pulse::new(settings))),
            moved: false,
            half_open: None,
            doubt: None,
            timer: None,
            spins: options.tuning.spin,
            tally,
        }
    }

    /// Moves what can be moved.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamFailure>> {
        with_buffers(|buffers| match self.step(cx, buffers) {
            Err(failure) => Poll::Ready(Err(failure)),
            Ok(()) if self.is_done() => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
        })
    }

    /// Both ends, for whoever has to part with them.
    pub(super) fn into_ends(self) -> (RelayedWire, LocalStream) {
        (self.wire, self.local)
    }

    /// Bytes that the local side has not taken.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pending.len() - self.taken
    }

    fn is_done(&self) -> bool {
        self.local_finished && self.wire.close_sent && self.wire.is_flushed()
    }

    fn step(&mut self, cx: &mut Context<'_>, buffers: &mut ForwardBuffers) -> Result<(), StreamFailure> {
        let received = self.receive(cx, buffers)?;
        let sent = self.send(cx, buffers)?;
        if received || sent {
            self.moved = true;
            if self.spins {
                stay_awake_for_more();
            }
        }
        self.tick(cx, buffers)?;
        // What the clock has queued.
        self.flush(cx).map(drop)
    }

    /// From the peer to the local side; true where something came.
    fn receive(&mut self, cx: &mut Context<'_>, buffers: &mut ForwardBuffers) -> Result<bool, StreamFailure> {
        let mut left = TURN;
        loop {
            if !self.settle(cx)? {
                return Ok(left < TURN);
            }
            self.finish_local()?;
            if self.wire.ended {
                return if self.is_answered() { Ok(left < TURN) } else { Err(StreamFailure::cut(lost())) };
            }
            if left == 0 {
                come_back(cx);
                return Ok(true);
            }
            match self.wire.poll_readable(cx) {
                Poll::Pending => return Ok(left < TURN),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(StreamFailure::of_wire(WireFailure::Lost(error))),
            }
            let Self { wire, local, pending, .. } = self;
            let (mut came, mut failed) = (0, None);
            let read = wire.read(buffers, |bytes| {
                came += bytes.len();
                if let Err(error) = feed(local, pending, bytes) {
                    failed = Some(error);
                }
            });
            self.tally.received(came);
            if let Some(error) = failed {
                return Err(StreamFailure::of_target("write", &error));
            }
            if read.map_err(StreamFailure::of_wire)? {
                left = left.saturating_sub(came.max(READ));
                if let Some((_, pulse)) = &mut self.keep_alive {
                    pulse.hear();
                    if std::mem::take(&mut self.wire.ponged) {
                        pulse.answered();
                    }
                }
            }
        }
    }

    /// Writes what the local side has not taken; false where it takes no more for now.
    fn settle(&mut self, cx: &mut Context<'_>) -> Result<bool, StreamFailure> {
        while self.taken < self.pending.len() {
            match self.local.poll_writable(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(StreamFailure::of_target("write", &error)),
            }
            match self.local.write(&[IoSlice::new(&self.pending[self.taken..])]) {
                Ok(count) => {
                    self.taken += count;
                    self.moved |= count > 0;
                }
                Err(error) => return Err(StreamFailure::of_target("write", &error)),
            }
        }
        self.taken = 0;
        self.pending.clear();
        if self.pending.capacity() > SPARE {
            self.pending = Vec::new();
        }
        Ok(true)
    }

    /// Passes the peer's end on, once the local side has everything that came before it.
    fn finish_local(&mut self) -> Result<(), StreamFailure> {
        let Some(close) = self.wire.close.as_ref().filter(|_| !self.local_finished) else { return Ok(()) };
        match close.code {
            1000 | 1005 => {}
            // The relay says so where the sender has gone, and perhaps also in the place of the peer's own code. Whoever
            // is gone has no connection any more.
            1001 if close.reason.is_empty() || close.reason == SHUTDOWN => {}
            1001 => {
                let until = *self.doubt.get_or_insert_with(|| Instant::now() + DOUBT);
                if Instant::now() < until {
                    return Ok(());
                }
                self.doubt = None;
            }
            _ => {
                return Err(StreamFailure::told(closed_early(Some(close)), 1000, ""));
            }
        }
        if let Err(error) = self.local.end() {
            return Err(StreamFailure::of_target("shutdown", &error));
        }
        self.local_finished = true;
        Ok(())
    }

    /// Whether both have said that they close: then the end of the connection is in order.
    fn is_answered(&self) -> bool {
        self.local_finished && self.wire.close_sent
    }

    /// From the local side to the peer; true where something came.
    fn send(&mut self, cx: &mut Context<'_>, buffers: &mut ForwardBuffers) -> Result<bool, StreamFailure> {
        let mut left = TURN;
        loop {
            if !self.flush(cx)? || self.wire.close_sent {
                return Ok(left < TURN);
            }
            if self.local_ended {
                self.wire.send_close(&mut buffers.keys, 1000, SHUTDOWN);
                continue;
            }
            if left == 0 {
                come_back(cx);
                return Ok(true);
            }
            match self.local.poll_readable(cx) {
                Poll::Pending => return Ok(left < TURN),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(StreamFailure::of_target("read", &error)),
            }
            buffers.local.clear();
            buffers.local.reserve(FRAME);
            match self.local.read(&mut buffers.local, FRAME) {
                Ok(None) => {}
                Ok(Some(0)) => self.local_ended = true,
                Ok(Some(count)) => {
                    self.wire.send(&mut buffers.keys, &buffers.local);
                    self.tally.sent(count);
                    left = left.saturating_sub(count);
                }
                Err(error) => return Err(StreamFailure::of_target("read", &error)),
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<bool, StreamFailure> {
        match self.wire.poll_flush(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => Err(StreamFailure::of_wire(WireFailure::Lost(error))),
        }
    }

    /// Looks at the clock: keep-alive, and how long a stream may be half open.
    fn tick(&mut self, cx: &mut Context<'_>, buffers: &mut ForwardBuffers) -> Result<(), StreamFailure> {
        loop {
            let now = Instant::now();
            let closing = self.wire.close_sent || self.wire.close.is_some();
            if closing && (self.half_open.is_none() || self.moved) {
                self.half_open = Some(now + Duration::from_secs(HALF_OPEN_SECONDS));
            }
            self.moved = false;
            if self.half_open.is_some_and(|limit| limit <= now) {
                let error =
                    RelayError::new(ErrorKind::Timeout, "The stream was half open and silent for too long");
                return Err(StreamFailure::told(error, 1011, "Half open for too long"));
            }
            let doubt = self.doubt.filter(|_| self.pending.is_empty());
            let mut due = [self.half_open, doubt].into_iter().flatten().min();
            // Behind a close frame nothing comes, and nothing may be sent.
            if let Some((settings, pulse)) = &mut self.keep_alive
                && self.wire.close.is_none()
                && !self.wire.close_sent
            {
                let listening = self.pending.is_empty();
                let Some(beat) = pulse.beat(settings, listening, now) else {
                    let text = "The peer has been silent for too long";
                    return Err(StreamFailure::cut(RelayError::new(ErrorKind::Timeout, text)));
                };
                if beat.ping {
                    let pings = settings.mode == KeepAliveMode::Ping;
                    self.wire.beat(&mut buffers.keys, if pings { OpCode::Ping } else { OpCode::Pong });
                    pulse.pinged(now);
                }
                due = due.into_iter().chain([beat.next]).min();
            }
            let Some(due) = due else { return Ok(()) };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            if doubt.is_some() {
                self.finish_local()?;
            }
        }
    }
}

/// Hands bytes to the local side, or puts behind what it has not taken yet.
fn feed(local: &LocalStream, pending: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() < LARGE_PIECE {
        pending.extend_from_slice(bytes);
        return Ok(());
    }
    let taken = local.write(&[IoSlice::new(pending), IoSlice::new(bytes)])?;
    match taken.checked_sub(pending.len()) {
        Some(of_these) => {
            pending.clear();
            pending.extend_from_slice(&bytes[of_these..]);
        }
        None => {
            pending.drain(..taken);
            pending.extend_from_slice(bytes);
        }
    }
    Ok(())
}

/// The reason that azbridge gives when it ends its side.
const SHUTDOWN: &str = "Shutdown";
