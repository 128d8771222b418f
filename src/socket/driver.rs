//! The task of one socket: moves bytes between the connection, the codec and the delivery queue.
//!
//! One `poll` does everything that can be done without waiting: read within a budget, look at the clock, compress,
//! write. All sockets of an IO thread share its buffers, so an idle socket holds none.

#![forbid(unsafe_code)]

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

use super::collector::{Collector, outgrown, push_frame_error, report_fault};
use super::delivery::{BULK, Batch, Kind, Owner, READ};
use super::link::{Link, ReadError, ReadStep, Scratch};
use super::opening::{Connection, Opening, open};
use super::pulse::Pulse;
use super::tally::Yield;
use super::{Ending, Socket, spin};
use crate::frame::{Decoder, DecoderOptions, Deflate, Inflate, MaskKeys, Role};

/// Bytes that one socket reads before the others get their turn. A read counts as `READ` at least.
const TURN: usize = BULK;
/// Bytes of one socket that are compressed before the others get their turn; one message is never divided.
const COMPRESS_BUDGET: usize = 256 * 1024;
/// A limit that is looked at so late was not just missed: the process did not run.
const FROZEN: Duration = Duration::from_secs(1);
/// What is kept of the buffer that messages are compressed into.
const SPARE_DEFLATED: usize = 256 * 1024;

/// What the threads of a socket's task share among all of their sockets.
#[derive(Default)]
struct IoThread {
    scratch: Scratch,
    batch: Batch,
    keys: MaskKeys,
    deflated: Vec<u8>,
}

thread_local! {
    static IO: RefCell<IoThread> = RefCell::default();
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
        bury(&socket, if struck { Cause::Internal } else { cause });
    }
}

async fn start(socket: Arc<Socket>, mut opening: Opening) -> Option<Box<Driver>> {
    let connection = open(&socket, &mut opening).await?;
    Some(Box::new(Driver::new(socket, connection, opening.level)))
}

/// The last thing that is said of a socket.
pub(super) fn bury(socket: &Socket, cause: Cause) {
    let mut side = socket.side();
    let unwritten = side.unwritten();
    let opened = side.link.take().is_some();
    let settled = side.outgoing.settled();
    side.sent.settle(settled);
    side.outgoing = Default::default();
    // What is sent until JavaScript hears of this goes nowhere.
    side.broken.get_or_insert(cause);
    side.waker = None;
    side.book(&socket.delivery, socket.options.max_backlog);
    drop(side);
    let mut batch = Batch::default();
    report_fault(&mut batch, socket.slot, cause, opened);
    batch.push_count(socket.slot, Kind::Closed, cause as u16, unwritten.try_into().unwrap_or(u32::MAX));
    socket.delivery.push(&mut batch, None);
}

/// What a connection broke of, as `lib/socket/socket.js` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing: it was ended in order, or by JavaScript.
    None = 0,
    Reset = 1,
    Pipe = 2,
    Timeout = 3,
    /// The peer left more waiting than may wait.
    Backlog = 4,
    /// The task panicked.
    Internal = 5,
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Cause::Pipe,
            io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Reset,
        }
    }
}

/// Hands a batch over on the socket's account.
pub(super) fn push(socket: &Arc<Socket>, batch: &mut Batch) {
    if !batch.is_empty() {
        socket.credit.deliver(batch.weight());
        socket.delivery.push(batch, Some(Arc::clone(socket) as Arc<dyn Owner>));
    }
}

struct Driver {
    socket: Arc<Socket>,
    link: Arc<Link>,
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

impl Driver {
    fn new(socket: Arc<Socket>, connection: Connection, level: u8) -> Self {
        let Connection { link, agreed, early } = connection;
        let options = &socket.options;
        let decoder = Decoder::new(DecoderOptions {
            role: Role::Client,
            max_payload: options.max_payload,
            max_fragments: options.max_fragments,
            skip_utf8: options.skip_utf8,
            inflate: agreed.map(|agreed| Inflate::new(agreed.role, &agreed.params)),
            large: super::delivery::LARGE,
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
            push(&self.socket, &mut io.batch);
            match step {
                Err(cause) => Poll::Ready(cause),
                Ok(()) if self.ended && self.shut => Poll::Ready(Cause::None),
                Ok(()) => Poll::Pending,
            }
        })
    }

    fn step(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        self.read(cx, io)?;
        self.tick(cx, io)?;
        let mut side = self.socket.side();
        if side.ending == Ending::Terminate {
            // What was sent before goes as far as the kernel takes it at once, whichever thread writes it.
            side.write();
            return Err(Cause::None);
        }
        drop(side);
        self.compress(cx, io);
        self.write(cx, io)
    }

    fn read(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        self.give_up_outgrown(io);
        if let Some(mut early) = self.early.take() {
            let held = self.decoder.held();
            let mut sink = Collector::new(&self.socket, &mut io.batch);
            let decoded = self.decoder.decode(&mut early, &mut sink).map_err(ReadError::from);
            self.count(sink.finish());
            self.book(held);
            let step = if self.link.ended() { ReadStep::End } else { ReadStep::Bytes(0) };
            self.digest(decoded.map(|()| step), io)?;
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
            push(&self.socket, &mut io.batch);
            let room = if self.bulk && self.socket.credit.may_hold(BULK) { BULK } else { READ };
            let held = self.decoder.held();
            let mut sink = Collector::new(&self.socket, &mut io.batch);
            let read = self.link.read(room, &mut io.scratch, &mut self.decoder, &mut sink);
            self.count(sink.finish());
            self.book(held);
            let came = self.digest(read, io)?;
            // Under TLS a read ends where a record does, before the room is full.
            self.bulk = came >= room / 4 * 3;
            left = left.saturating_sub(came.max(READ));
        }
        if left < TURN && self.socket.tuning.spin {
            spin::extend();
        }
        Ok(())
    }

    fn count(&mut self, read: Yield) {
        self.socket.received.add(read, self.decoder.fed());
        if let Some(pulse) = self.pulse.as_mut().filter(|_| read.ponged)
            && let Some(rtt) = pulse.answered()
        {
            self.socket.received.measured(rtt);
        }
    }

    /// Counts what is held of an unfinished message, which was `before` bytes.
    fn book(&self, before: usize) {
        if let Some(assembling) = &self.socket.options.assembling {
            assembling.book(&self.socket, before, self.decoder.held());
        }
    }

    /// Whoever holds most when there is too much ends as if its message were too long.
    fn give_up_outgrown(&mut self, io: &mut IoThread) {
        if self.socket.is_outgrown() && !self.decoder.is_finished() {
            self.decoder.give_up();
            push_frame_error(&mut io.batch, self.socket.slot, &outgrown());
        }
    }

    /// Notes what a read came to, and gives how much of it came by way of the shared buffer.
    fn digest(&mut self, read: Result<ReadStep, ReadError>, io: &mut IoThread) -> Result<usize, Cause> {
        let slot = self.socket.slot;
        match read {
            Ok(ReadStep::Blocked) => {}
            Ok(ReadStep::Bytes(count)) => {
                if let Some(pulse) = &mut self.pulse {
                    pulse.heard = Instant::now();
                }
                return Ok(count);
            }
            Ok(ReadStep::End) => {
                self.ended = true;
                io.batch.push(slot, Kind::End, 0, &[]);
            }
            Err(ReadError::Frame(error)) => push_frame_error(&mut io.batch, slot, &error),
            Err(ReadError::Io(error)) => return Err(error.into()),
        }
        Ok(0)
    }

    /// Compresses what waits for it. The lock is not held meanwhile: JavaScript must never wait for a compressor.
    fn compress(&mut self, cx: &mut Context<'_>, io: &mut IoThread) {
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

    fn write(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
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
        while side.ending == Ending::Shutdown && !self.shut && side.outgoing.is_empty() {
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
    fn tick(&mut self, cx: &mut Context<'_>, io: &mut IoThread) -> Result<(), Cause> {
        loop {
            let mut due = self.socket.side().close_by;
            if let (Some(pulse), Some(settings)) = (&mut self.pulse, &self.socket.options.keep_alive) {
                let next = pulse.beat(settings, &self.socket, &mut io.keys)?;
                due = Some(due.map_or(next, |due| due.min(next)));
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

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(assembling) = &self.socket.options.assembling {
            assembling.book(&self.socket, self.decoder.held(), 0);
        }
    }
}
