//! Data sockets: the engine between tokio and V8.
//!
//! A [`Socket`] is shared by two threads. JavaScript encodes what it sends into the socket's outgoing queue and, when
//! the kernel takes it, writes it there and then; the IO thread reads, decodes, compresses and finishes what met a
//! full kernel buffer. What the socket has received goes to JavaScript through the packed [`delivery`] queue.
//!
//! The policy of a WebSocket's life (ready states, when to answer a close frame, which events follow which) is
//! JavaScript's, where ws keeps it too: it depends on what user code does between two messages.

#![forbid(unsafe_code)]

mod assembling;
mod backlog;
mod collector;
mod compression;
mod credit;
pub mod delivery;
mod driver;
mod ends;
mod link;
#[cfg(all(test, hyco_loom))]
mod models;
mod opening;
mod outgoing;
mod pulse;
mod spin;
mod tally;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

pub use self::assembling::Assembling;
pub use self::compression::Compression;
pub use self::driver::run;
pub use self::opening::Opening;
pub use self::outgoing::{Masking, Outline};
pub use self::spin::run as stay_awake;
pub use self::tally::SocketStats;

use self::credit::Credit;
use self::delivery::{Delivery, Kind, Owner};
use self::driver::Cause;
use self::ends::Ends;
use self::link::Link;
use self::outgoing::Outgoing;
use self::tally::{Received, Sent};
use crate::frame::{MaskKeys, OpCode, frame_len};
use crate::sync::unpoisoned;

/// Switches for tests: every fast path can be turned off, and IO cut into single bytes.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Write from the calling thread where the kernel takes it.
    pub direct_write: bool,
    /// Read large payloads straight into their final buffer.
    pub direct_read: bool,
    /// Look for more before waiting, where that has paid.
    pub spin: bool,
    /// Read and write one byte at a time.
    pub short_io: bool,
    /// More than this many bytes are left to the IO thread to write.
    pub direct_limit: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { direct_write: true, direct_read: true, spin: true, short_io: false, direct_limit: 256 * 1024 }
    }
}

/// Pings of an idle connection and how long it may stay silent.
#[derive(Debug, Clone, Copy)]
pub struct KeepAlive {
    /// A ping (or pong) goes out after this long without one.
    pub interval: Duration,
    /// Without any inbound frame for this long, and for one and a half intervals of pings at least, the connection is
    /// dead; zero switches that off. A time in which the process did not run does not count.
    pub timeout: Duration,
    /// Send unsolicited pongs instead of pings.
    pub pong: bool,
}

/// What is fixed for the life of a socket.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Longest message, in bytes; 0 means no limit.
    pub max_payload: u64,
    /// Most frames of one message; 0 means no limit.
    pub max_fragments: u32,
    /// Take text as it comes.
    pub skip_utf8: bool,
    /// Bytes held for JavaScript before reading stops.
    pub high_water: usize,
    /// Bytes that may wait for the peer before the connection is given up; 0 means no limit.
    pub max_backlog: usize,
    /// Bounds what is held of unfinished messages, together with those of other sockets.
    pub assembling: Option<Arc<Assembling>>,
    /// Pings and dead-peer detection.
    pub keep_alive: Option<KeepAlive>,
}

/// How far JavaScript wants the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// Not at all.
    No,
    /// Our side, once everything is written.
    Shutdown,
    /// At once.
    Terminate,
}

/// The half of a socket that either thread may change, under its lock.
struct Side {
    link: Option<Arc<Link>>,
    outgoing: Outgoing,
    sent: Sent,
    ending: Ending,
    /// What has ended the connection beside the IO thread, which has to notice. What is sent from here on is dropped.
    broken: Option<Cause>,
    /// Bytes that were dropped.
    lost: usize,
    /// When the closing handshake is given up.
    close_by: Option<Instant>,
    /// JavaScript sent its close frame: no keep-alive after it.
    closing: bool,
    /// JavaScript wants the body of a response that is not an upgrade.
    wants_body: bool,
    /// The task's waker, with which the JavaScript thread asks to be continued when the kernel takes more.
    waker: Option<Waker>,
    /// Bytes that the delivery's total of what waits for peers has from this socket.
    booked: usize,
}

/// One data socket.
pub struct Socket {
    slot: u32,
    delivery: Arc<Delivery>,
    options: Arc<SocketOptions>,
    tuning: Tuning,
    ends: OnceLock<Ends>,
    credit: Credit,
    received: Received,
    /// What it holds of an unfinished message is to be given up.
    outgrown: AtomicBool,
    /// Empty pings that the user sent: their pongs are the user's, those of the keep-alive are not. Not under the
    /// lock: the decoder counts down, and reading waits for no writer.
    user_pings: AtomicU32,
    task: AtomicWaker,
    side: Mutex<Side>,
}

impl Socket {
    /// A socket that reports to `delivery` under `slot`. [`run`] gives it life.
    pub fn new(
        slot: u32,
        delivery: Arc<Delivery>,
        options: impl Into<Arc<SocketOptions>>,
        tuning: Tuning,
    ) -> Arc<Self> {
        let options = options.into();
        Arc::new(Self {
            slot,
            delivery,
            credit: Credit::new(options.high_water),
            options,
            tuning,
            ends: OnceLock::new(),
            received: Received::default(),
            outgrown: AtomicBool::new(false),
            user_pings: AtomicU32::new(0),
            task: AtomicWaker::new(),
            side: Mutex::new(Side {
                link: None,
                outgoing: Outgoing::default(),
                sent: Sent::default(),
                ending: Ending::No,
                broken: None,
                lost: 0,
                close_by: None,
                closing: false,
                wants_body: false,
                waker: None,
                booked: 0,
            }),
        })
    }

    /// Starts a run of frames, which is written when the [`SendRun`] is dropped.
    pub fn send<'a>(&'a self, keys: &'a mut MaskKeys) -> SendRun<'a> {
        SendRun { socket: self, side: self.side(), keys }
    }

    /// Starts the closing handshake's clock; the frame itself goes through [`Socket::send`]. With `end`, our side ends
    /// once everything is written.
    pub fn close_within(&self, limit: Duration, end: bool) {
        let mut side = self.side();
        side.closing = true;
        side.close_by = Some(Instant::now() + limit);
        if end {
            side.ending = side.ending.max(Ending::Shutdown);
        }
        drop(side);
        self.task.wake();
    }

    /// Ends our side of the connection once everything is written.
    pub fn shutdown(&self) {
        self.end(Ending::Shutdown);
    }

    /// Drops the connection, or the attempt to make one, at once.
    pub fn terminate(&self) {
        self.end(Ending::Terminate);
    }

    /// Drops the connection, or the attempt to make one, for a panic has struck it: what it keeps may be half done.
    pub fn fail(&self) {
        self.side().broken = Some(Cause::Internal);
        self.terminate();
    }

    /// Reads no more until [`Socket::resume`]: TCP pushes back to the peer.
    pub fn pause(&self) {
        self.credit.pause(true);
    }

    /// Reads on.
    pub fn resume(&self) {
        self.credit.pause(false);
        self.task.wake();
    }

    /// Asks for the body of the response that was not an upgrade.
    pub fn want_body(&self) {
        self.side().wants_body = true;
        self.task.wake();
    }

    /// Bytes that the kernel has not taken yet.
    pub fn buffered_amount(&self) -> usize {
        self.side().unwritten()
    }

    /// More waits for the peer than may: gives the connection up, as where that is found out here.
    pub fn give_up(&self) {
        self.side().broken.get_or_insert(Cause::Backlog);
        self.task.wake();
    }

    fn outgrow(&self) {
        self.outgrown.store(true, Ordering::Release);
        self.task.wake();
    }

    fn is_outgrown(&self) -> bool {
        self.outgrown.load(Ordering::Acquire)
    }

    fn end(&self, ending: Ending) {
        let mut side = self.side();
        side.ending = side.ending.max(ending);
        drop(side);
        self.task.wake();
    }

    fn side(&self) -> MutexGuard<'_, Side> {
        unpoisoned(self.side.lock())
    }

    /// Whether there is credit to read more, see [`Credit::may_read`].
    fn may_read(self: &Arc<Self>) -> bool {
        self.credit.may_read(&self.delivery, &|| Arc::clone(self) as Arc<dyn Owner>)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let side = unpoisoned(self.side.get_mut());
        self.delivery.book(side.booked, 0);
    }
}

impl Owner for Socket {
    fn drained(&self, bytes: usize) {
        if self.credit.drained(bytes) {
            self.task.wake();
        }
    }

    fn room(&self) {
        self.credit.room();
        self.task.wake();
    }
}

impl Side {
    /// Writes what can be written; receipts that became due are counted.
    fn write(&mut self) -> u32 {
        if let Err(error) = self.try_write() {
            self.broken.get_or_insert(error.into());
        }
        self.outgoing.due_receipts()
    }

    /// Bytes that the kernel has not taken, and will not where they are lost.
    fn unwritten(&self) -> usize {
        self.outgoing.len() + self.lost
    }

    fn try_write(&mut self) -> io::Result<()> {
        let Some(link) = self.link.clone() else { return Ok(()) };
        self.outgoing.attempt();
        while !link.write(&mut self.outgoing)? {
            let Some(waker) = &self.waker else { return Ok(()) };
            match link.poll_writable(&mut Context::from_waker(waker)) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }
}

/// A run of frames for one socket, encoded under one lock and written with one system call.
pub struct SendRun<'a> {
    socket: &'a Socket,
    side: MutexGuard<'a, Side>,
    keys: &'a mut MaskKeys,
}

impl SendRun<'_> {
    /// Adds a frame. `payload` is copied, so the caller may reuse it at once. Of a connection that is lost it is dropped:
    /// JavaScript goes on until it hears of that, which may be many messages later.
    pub fn frame(&mut self, outline: Outline, payload: &[u8]) {
        let side = &mut *self.side;
        if outline.opcode == OpCode::Ping && payload.is_empty() {
            self.socket.user_pings.fetch_add(1, Ordering::Relaxed);
        }
        side.sent.frame(outline, payload.len());
        if side.broken.is_some() {
            side.lost = side.lost.saturating_add(frame_len(payload.len(), outline.mask != Masking::None));
            return;
        }
        if outline.compress || side.outgoing.is_waiting() {
            side.outgoing.wait(outline, payload.to_vec());
        } else {
            let key = outline.mask.key(self.keys);
            side.outgoing.append(outline, key, payload);
        }
    }
}

impl Drop for SendRun<'_> {
    fn drop(&mut self) {
        // A second panic would be one too many.
        if thread::panicking() {
            return;
        }
        let tuning = self.socket.tuning;
        let side = &mut *self.side;
        let direct = tuning.direct_write
            && !side.outgoing.is_waiting()
            && side.outgoing.ready() <= tuning.direct_limit
            && side.link.is_some();
        if direct {
            let receipts = side.write();
            if receipts > 0 {
                let mut batch = delivery::Batch::default();
                batch.push_count(self.socket.slot, Kind::Sent, 0, receipts);
                self.socket.delivery.push(&mut batch, None);
            }
        }
        side.book(&self.socket.delivery, self.socket.options.max_backlog);
        if !direct || side.broken.is_some() {
            self.socket.task.wake();
        }
    }
}

#[cfg(test)]
mod tests;
