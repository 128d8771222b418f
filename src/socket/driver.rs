//! The task of one socket: moves bytes between the connection, the codec and the delivery queue.
//!
//! One `poll` does everything that can be done without waiting: read within a budget, look at the clock, compress,
//! write. All sockets of an IO thread share its buffers, so an idle socket holds none.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::assembling::AssemblyHolder;
use super::delivery::{Batch, Kind, LARGE};
use super::handle::Socket;
use super::intake::{Intake, fit};
use super::link::{Chunk, ReadStep, SocketLink};
use super::opening::{Established, Opening, open};
use super::pulse::Pulse;
use super::report::{self, Cause};
use super::send_side::WantedEnd;
use super::spin;
use super::tally::Yield;
use crate::frame::{Decoder, DecoderOptions, Deflate, FrameError, Inflate, MaskKeys, Role};

/// What one read yields at most. Whoever keeps a small message keeps the bytes around it alive, so it is not more.
const READ: usize = 64 * 1024;
/// The same where more than that was waiting: under a flood, fewer and larger steps cost less.
const BULK: usize = 256 * 1024;
/// Bytes that one socket reads before the others get their turn. A read counts as `READ` at least.
const TURN: usize = BULK;
/// Bytes of one socket that are compressed before the others get their turn; one message is never divided.
const COMPRESS_BUDGET: usize = 256 * 1024;
/// A limit that is looked at so late was not just missed: the process did not run.
const FROZEN: Duration = Duration::from_secs(1);
/// What is kept of the buffer that messages are compressed into.
const SPARE_DEFLATED: usize = 256 * 1024;

/// What the sockets of an IO thread use in turn. `wire`, `plain` and `batch` hold nothing between two of them.
#[derive(Default)]
struct IoBuffers {
    /// What was received.
    wire: Vec<u8>,
    /// The same, decrypted.
    plain: Vec<u8>,
    batch: Batch,
    keys: MaskKeys,
    deflated: Vec<u8>,
}

thread_local! {
    static IO: RefCell<IoBuffers> = RefCell::default();
}

/// Opens `socket` and drives it until it is gone. Everything it has to say goes to its delivery queue.
pub fn run(socket: Arc<Socket>, opening: Opening) -> impl Future<Output = ()> + Send {
    // Boxed, so that the long life of an idle socket does not carry the size of its opening.
    let driver = Box::pin(start(Arc::clone(&socket), opening));
    async move {
        let life = async {
            match driver.await {
                Some(mut driver) => poll_fn(|cx| driver.poll(cx)).await,
                None => Cause::None,
            }
        };
        // A panic is a fault of ours, but whoever waits for this socket must hear of its end.
        let cause = AssertUnwindSafe(life).catch_unwind().await.unwrap_or_else(|_| {
            // What the thread was about to hand over is not the next socket's.
            IO.take();
            Cause::Internal
        });
        let struck = socket.side().broken == Some(Cause::Internal);
        socket.bury(if struck { Cause::Internal } else { cause });
    }
}

async fn start(socket: Arc<Socket>, opening: Opening) -> Option<Box<SocketDriver>> {
    let connection = open(&socket, opening).await?;
    Some(Box::new(SocketDriver::new(socket, connection)))
}

struct SocketDriver {
    socket: Arc<Socket>,
    link: Arc<SocketLink>,
    decoder: Decoder,
    /// Boxed, for few connections compress.
    deflate: Option<Box<Deflate>>,
    /// Bytes that came with the handshake's answer, until they have been decoded.
    early: Option<Vec<u8>>,
    /// The last read brought a lot, and the next one is likely to.
    bulk: bool,
    /// The peer has ended its side.
    ended: bool,
    /// We have ended ours.
    shut: bool,
    pulse: Option<Pulse>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl SocketDriver {
    fn new(socket: Arc<Socket>, connection: Established) -> Self {
        let Established { link, agreed, level, early } = connection;
        let options = &socket.options;
        let decoder = Decoder::new(DecoderOptions {
            role: Role::Client,
            max_payload: options.max_payload,
            max_fragments: options.max_fragments,
            skip_utf8: options.skip_utf8,
            inflate: agreed.map(|agreed| Inflate::new(agreed.role, &agreed.params)),
            large: LARGE,
        });
        Self {
            link,
            decoder,
            deflate: agreed.map(|agreed| Box::new(Deflate::new(agreed.role, &agreed.params, level))),
            early: Some(early),
            bulk: false,
            ended: false,
            shut: false,
            pulse: options.keep_alive.as_ref().map(Pulse::new),
            timer: None,
            socket,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        self.socket.task.register(cx.waker());
        IO.with_borrow_mut(|io| {
            let step = self.step(cx, io);
            self.socket.deliver(&mut io.batch);
            match step {
                Err(cause) => Poll::Ready(cause),
                Ok(()) if self.ended && self.shut => Poll::Ready(Cause::None),
                Ok(()) => Poll::Pending,
            }
        })
    }

    fn step(&mut self, cx: &mut Context<'_>, io: &mut IoBuffers) -> Result<(), Cause> {
        self.read(cx, io)?;
        self.tick(cx, io)?;
        let mut side = self.socket.side();
        if side.ending == WantedEnd::Terminate {
            // What was sent before goes as far as the kernel takes it at once, whichever thread writes it.
            side.write();
            return Err(Cause::None);
        }
        drop(side);
        self.compress(cx, io);
        self.write(cx, io)
    }

    fn read(&mut self, cx: &mut Context<'_>, io: &mut IoBuffers) -> Result<(), Cause> {
        self.give_up_outgrown(io);
        if let Some(mut early) = self.early.take() {
            let step = if self.link.ended() { ReadStep::End } else { ReadStep::Bytes(0) };
            self.take_in(io, 0, |_, _, intake| {
                intake.take(Chunk::Buffer(&mut early));
                Ok(step)
            })?;
        }
        let mut left = TURN;
        while !self.ended && self.socket.may_read() {
            match self.link.poll_readable(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(error.into()),
            }
            if left == 0 {
                spin::come_back(cx);
                break;
            }
            // What the last read of this turn yields is handed over at its very end, by `poll`: JavaScript, once awake,
            // wants the lock that writing takes.
            self.socket.deliver(&mut io.batch);
            let room = if self.bulk && self.socket.credit.may_hold(BULK) { BULK } else { READ };
            let came = self.take_in(io, room, |link, wire, intake| {
                if link.reads_direct()
                    && let Some((buffer, missing)) = intake.direct()
                {
                    let step = link.read_into(buffer, missing);
                    intake.direct_advance();
                    return step;
                }
                fit(wire, room);
                link.read(room, wire, |chunk| intake.take(chunk))
            })?;
            // Under TLS a read ends where a record does, before the room is full.
            self.bulk = came >= room / 4 * 3;
            left = left.saturating_sub(came.max(READ));
        }
        if left < TURN && self.socket.tuning.spin {
            spin::extend();
        }
        Ok(())
    }

    /// Has `read` bring something in, up to `room` bytes but for a large payload, and gives how much of it came by way of
    /// the shared buffer.
    fn take_in(
        &mut self,
        io: &mut IoBuffers,
        room: usize,
        read: impl FnOnce(&SocketLink, &mut Vec<u8>, &mut Intake<'_>) -> io::Result<ReadStep>,
    ) -> Result<usize, Cause> {
        let held = self.decoder.held();
        let mut intake = Intake::new(&self.socket, &mut self.decoder, &mut io.batch, &mut io.plain, room);
        let step = read(&self.link, &mut io.wire, &mut intake);
        let (found, decoded) = intake.finish();
        self.count(found);
        if let Some(assembling) = &self.socket.options.assembling {
            assembling.book(&self.socket, held, self.decoder.held());
        }
        self.digest(step, decoded, io)
    }

    fn count(&mut self, read: Yield) {
        self.socket.received.add(read, self.decoder.fed());
        if let Some(pulse) = self.pulse.as_mut().filter(|_| read.ponged)
            && let Some(rtt) = pulse.answered()
        {
            self.socket.received.measured(rtt);
        }
    }

    /// Whoever holds most when there is too much ends as if its message were too long.
    fn give_up_outgrown(&mut self, io: &mut IoBuffers) {
        if self.socket.is_outgrown() && !self.decoder.is_finished() {
            self.decoder.give_up();
            report::push_outgrown(&mut io.batch, self.socket.slot);
        }
    }

    /// Notes what a read came to, and gives how much of it came by way of the shared buffer.
    fn digest(
        &mut self,
        step: io::Result<ReadStep>,
        decoded: Result<(), FrameError>,
        io: &mut IoBuffers,
    ) -> Result<usize, Cause> {
        let slot = self.socket.slot;
        if let Err(error) = decoded {
            report::push_frame_error(&mut io.batch, slot, &error);
            return Ok(0);
        }
        match step? {
            ReadStep::Blocked => Ok(0),
            ReadStep::Bytes(count) => {
                if let Some(pulse) = &mut self.pulse {
                    pulse.hear();
                }
                Ok(count)
            }
            ReadStep::End => {
                self.ended = true;
                io.batch.push(slot, Kind::End, 0, &[]);
                Ok(0)
            }
        }
    }

    /// Compresses what waits for it. The lock is not held meanwhile: JavaScript must never wait for a compressor.
    fn compress(&mut self, cx: &mut Context<'_>, io: &mut IoBuffers) {
        let Some(deflate) = &mut self.deflate else { return };
        let mut done = 0;
        while done < COMPRESS_BUDGET {
            let Some(waiting) = self.socket.side().outgoing.next_waiting() else { return };
            let outline = waiting.outline;
            let key = outline.mask.key(&mut io.keys);
            let payload = if outline.compress {
                io.deflated.clear();
                io.deflated.shrink_to(SPARE_DEFLATED);
                if deflate.compress(&waiting.payload, outline.fin, &mut io.deflated).is_err() {
                    self.socket.side().broken = Some(Cause::Reset);
                    return;
                }
                &io.deflated
            } else {
                &waiting.payload
            };
            self.socket.side().outgoing.append_compressed(outline, key, payload, waiting.payload.len());
            done += waiting.payload.len();
        }
        spin::come_back(cx);
    }

    fn write(&mut self, cx: &mut Context<'_>, io: &mut IoBuffers) -> Result<(), Cause> {
        let mut side = self.socket.side();
        if side.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            side.waker = Some(cx.waker().clone());
        }
        let receipts = side.write();
        side.book(&self.socket.delivery, self.socket.options.max_backlog);
        if receipts > 0 {
            io.batch.push_count(self.socket.slot, Kind::Sent, 0, receipts);
        }
        if let Some(cause) = side.broken {
            return Err(cause);
        }
        while side.ending == WantedEnd::Shutdown && !self.shut && side.outgoing.is_empty() {
            self.shut = self.link.shutdown()?;
            if self.shut {
                io.batch.push(self.socket.slot, Kind::Shut, 0, &[]);
            } else if self.link.poll_writable(cx).is_pending() {
                break;
            }
        }
        Ok(())
    }

    /// Looks at the clock: the closing handshake's limit and the keep-alive.
    fn tick(&mut self, cx: &mut Context<'_>, io: &mut IoBuffers) -> Result<(), Cause> {
        loop {
            let mut due = self.socket.side().close_by;
            if let (Some(pulse), Some(settings)) = (&mut self.pulse, &self.socket.options.keep_alive) {
                let now = Instant::now();
                let beat = pulse.beat(settings, self.socket.credit.reads(), now).ok_or(Cause::Timeout)?;
                if beat.ping && self.socket.keep_alive(settings.mode, &mut io.keys) {
                    pulse.pinged(now);
                }
                due = Some(due.map_or(beat.next, |due| due.min(beat.next)));
            }
            let Some(due) = due else { return Ok(()) };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            let mut side = self.socket.side();
            if let Some(late) = side.close_by.and_then(|limit| now.checked_duration_since(limit)) {
                if late < FROZEN {
                    return Err(Cause::None);
                }
                // We did not run: what came meanwhile, the peer's close frame perhaps, is read first.
                side.close_by = Some(now + FROZEN);
            }
        }
    }
}

impl Drop for SocketDriver {
    fn drop(&mut self) {
        if let Some(assembling) = &self.socket.options.assembling {
            assembling.book(&self.socket, self.decoder.held(), 0);
        }
    }
}
