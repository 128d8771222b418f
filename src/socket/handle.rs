//! One data socket, as its two threads share it, and what JavaScript asks of it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::assembling::AssemblyHolder;
use super::credit::Credit;
use super::delivery::{Batch, Delivery, Kind, Owner};
use super::ends::Ends;
use super::options::{SocketOptions, Tuning};
use super::outgoing::{Masking, Outline};
use super::report::{self, Cause};
use super::send_side::{SendSide, WantedEnd};
use super::tally::{Received, SocketStats};
use crate::frame::{MaskKeys, OpCode, frame_len};
use crate::keep_alive::KeepAliveMode;
use crate::sync::{lock, unpoisoned};

/// One data socket.
pub struct Socket {
    pub(super) slot: u32,
    pub(super) delivery: Arc<Delivery>,
    pub(super) options: Arc<SocketOptions>,
    pub(super) tuning: Tuning,
    pub(super) ends: OnceLock<Ends>,
    pub(super) credit: Credit,
    pub(super) received: Received,
    /// What it holds of an unfinished message is to be given up.
    outgrown: AtomicBool,
    /// Empty pings that the user sent: their pongs are the user's, those of the keep-alive are not. Not under the
    /// lock: the decoder counts down, and reading waits for no writer.
    pub(super) user_pings: AtomicU32,
    pub(super) task: AtomicWaker,
    side: Mutex<SendSide>,
}

impl Socket {
    /// A socket that reports to `delivery` under `slot`. [`super::driver::run`] gives it life.
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
            side: Mutex::default(),
        })
    }

    /// Starts a run of frames, and of what is said of the end; it is written when the [`SendRun`] is dropped.
    pub fn send<'a>(&'a self, keys: &'a mut MaskKeys) -> SendRun<'a> {
        SendRun { socket: self, side: self.side(), keys, noted: false }
    }

    /// Drops the connection, or the attempt to make one, at once.
    pub fn terminate(&self) {
        self.side().ending = WantedEnd::Terminate;
        self.task.wake();
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

    /// Both addresses, as `local remote`; each is empty where it is not known.
    pub fn addresses(&self) -> String {
        self.ends.get().map_or_else(|| String::from(" "), Ends::to_string)
    }

    /// What the socket has carried so far.
    pub fn stats(&self) -> SocketStats {
        let side = self.side();
        SocketStats::new(&side.sent, side.outgoing.settled(), &self.received, self.credit.inbound())
    }

    /// Whether it is one of those that have these options in common.
    pub fn shares(&self, options: &Arc<SocketOptions>) -> bool {
        Arc::ptr_eq(&self.options, options)
    }

    pub(super) fn side(&self) -> MutexGuard<'_, SendSide> {
        lock(&self.side)
    }

    /// Whether there is credit to read more, see [`Credit::may_read`].
    pub(super) fn may_read(self: &Arc<Self>) -> bool {
        self.credit.may_read(&self.delivery, &|| Arc::clone(self) as Arc<dyn Owner>)
    }

    /// Sends what keeps the connection alive; true for a ping that the peer has to answer.
    pub(super) fn keep_alive(&self, mode: KeepAliveMode, keys: &mut MaskKeys) -> bool {
        let mut side = self.side();
        if side.closing || side.ending != WantedEnd::No {
            return false;
        }
        let opcode = match mode {
            KeepAliveMode::Ping => OpCode::Ping,
            KeepAliveMode::Pong => OpCode::Pong,
        };
        let mask = Masking::Random;
        let outline = Outline { opcode, fin: true, rsv1: false, compress: false, mask, receipt: false };
        side.outgoing.append(outline, Some(keys.next_key()), &[]);
        mode == KeepAliveMode::Ping
    }

    /// The last thing that is said of a socket.
    pub(super) fn bury(&self, cause: Cause) {
        let mut side = self.side();
        let (unwritten, opened) = (side.unwritten(), side.link.is_some());
        side.bury(cause);
        side.book(&self.delivery, self.options.max_backlog);
        drop(side);
        self.tell(|batch, slot| report::push_closed(batch, slot, cause, opened, unwritten));
    }

    /// Hands over what JavaScript gets, on the socket's credit, and leaves an empty batch.
    pub(super) fn deliver(self: &Arc<Self>, batch: &mut Batch) {
        if !batch.is_empty() {
            self.credit.deliver(batch.weight());
            self.delivery.push(batch, Some(Arc::clone(self) as Arc<dyn Owner>));
        }
    }

    /// The same for what is said of the socket itself, which counts against no credit.
    pub(super) fn tell(&self, add: impl FnOnce(&mut Batch, u32)) {
        self.delivery.push_one(|batch| add(batch, self.slot));
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

impl AssemblyHolder for Socket {
    fn outgrow(&self) {
        self.outgrown.store(true, Ordering::Release);
        self.task.wake();
    }

    fn is_outgrown(&self) -> bool {
        self.outgrown.load(Ordering::Acquire)
    }
}

/// A run of frames for one socket, encoded under one lock and written with one system call.
pub struct SendRun<'a> {
    socket: &'a Socket,
    side: MutexGuard<'a, SendSide>,
    keys: &'a mut MaskKeys,
    /// Something else than a frame was said, which the task has to hear.
    noted: bool,
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

    /// Starts the closing handshake's clock.
    pub fn close_within(&mut self, limit: Duration) {
        self.side.closing = true;
        self.side.close_by = Some(Instant::now() + limit);
        self.noted = true;
    }

    /// Ends our side of the connection once everything is written.
    pub fn end(&mut self) {
        self.side.ending = self.side.ending.max(WantedEnd::Shutdown);
        self.noted = true;
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
                self.socket.tell(|batch, slot| batch.push_count(slot, Kind::Sent, 0, receipts));
            }
        }
        side.book(&self.socket.delivery, self.socket.options.max_backlog);
        if !direct || self.noted || side.broken.is_some() {
            self.socket.task.wake();
        }
    }
}
