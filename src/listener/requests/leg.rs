//! One open rendezvous: its state, and how that changes. Requests come by it one at a time, and are answered on it.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::leg_context::LegContext;
use super::post::LegPost;
use super::tickets::Ticket;
use super::wire::LegWire;
use crate::error::{ErrorKind, RelayError};
use crate::frame::{FrameReader, Role};
use crate::listener::answers::listener_closed;
use crate::listener::dialer::AsyncIo;
use crate::listener::outlet::BodyOutlet;

/// How long the relay may take to say the request that waits here.
const FETCH_TIME: Duration = Duration::from_secs(60);
/// How long the sender may take for its next request. The relay's own limit is shorter: this finds dead connections.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// How long nothing may come of a body that is left when its request has been answered.
const REST_TIME: Duration = Duration::from_secs(60);
/// How long the other side may take to close.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// What an open rendezvous begins with.
pub(super) enum Errand {
    /// This exchange is to be answered here.
    Answer(u64),
    /// A request waits here. Without a ticket there is no room for it.
    Fetch(Option<Ticket>),
}

/// One open rendezvous.
pub(super) struct Leg {
    pub(super) context: Arc<LegContext>,
    pub(super) post: Arc<LegPost>,
    pub(super) wire: LegWire,
    pub(super) frames: FrameReader,
    pub(super) incoming: Incoming,
    /// The frame at hand is the last one of its message.
    pub(super) last_frame: bool,
    pub(super) stage: LegStage,
    /// Since when the present wait lasts.
    pub(super) since: Instant,
    /// No further request is wanted.
    pub(super) leaving: bool,
    /// The present wait is another one than before.
    pub(super) changed: bool,
}

/// What the message at hand is.
pub(super) enum Incoming {
    Text(Vec<u8>),
    Body,
    Skipped,
}

/// What is waited for.
pub(super) enum LegStage {
    /// A request that is to be said here.
    Fetching(Option<Ticket>),
    /// An exchange.
    Serving(Serving),
    /// The sender's next request. The permit is given back by being dropped.
    Idle { _seat: OwnedSemaphorePermit },
    /// The end: our close frame is on its way, and the other side's has come or not.
    Closing { heard: bool },
}

/// An exchange, as far as it has come.
pub(super) struct Serving {
    pub(super) number: u64,
    /// The rest of the request's body goes there.
    pub(super) body: Option<Arc<dyn BodyOutlet>>,
    pub(super) answer: Answering,
}

/// How far the answer is.
pub(super) enum Answering {
    Waiting,
    Sending(Sending),
    Sent,
}

/// An answer whose head is on its way.
pub(super) struct Sending {
    /// Held until all of it is out.
    pub(super) _ticket: Ticket,
    /// What is left of a whole body.
    pub(super) rest: Bytes,
    /// Some of that has gone.
    pub(super) begun: bool,
    /// Its parts come one by one.
    pub(super) streams: bool,
    /// Nothing more comes.
    pub(super) ended: bool,
    /// The owner has said all of it at once, and hears no more of it.
    pub(super) whole: bool,
    /// The owner knows already that its own answer was none.
    pub(super) failed: bool,
}

impl Leg {
    pub(super) fn new(
        context: Arc<LegContext>,
        post: Arc<LegPost>,
        io: Box<dyn AsyncIo>,
        errand: Errand,
    ) -> Self {
        let stage = match errand {
            Errand::Answer(number) => {
                LegStage::Serving(Serving { number, body: None, answer: Answering::Waiting })
            }
            Errand::Fetch(ticket) => LegStage::Fetching(ticket),
        };
        Self {
            context,
            post,
            wire: LegWire::new(io),
            frames: FrameReader::new(Role::Client, false),
            incoming: Incoming::Skipped,
            last_frame: true,
            stage,
            since: Instant::now(),
            leaving: false,
            changed: false,
        }
    }

    /// When the present wait is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let limit = match &self.stage {
            LegStage::Fetching(_) => FETCH_TIME,
            LegStage::Idle { .. } => IDLE_TIME,
            LegStage::Closing { .. } => LINGER,
            LegStage::Serving(Serving { answer: Answering::Sent, .. }) => REST_TIME,
            // The registry knows how long the relay waits for an answer.
            LegStage::Serving(_) => return None,
        };
        Some(self.since + limit)
    }

    /// The present wait is over. False if there is nothing more to wait for.
    pub(super) fn expire(&mut self) -> bool {
        if matches!(self.stage, LegStage::Closing { .. }) {
            return false;
        }
        let text = match self.stage {
            LegStage::Fetching(_) => "The relay did not say in time which request waits at its rendezvous",
            _ => "The rest of the body did not come in time",
        };
        self.fail(RelayError::new(ErrorKind::Timeout, text));
        self.close(1000);
        true
    }

    /// The listener is closing.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        match &self.stage {
            LegStage::Idle { .. } => self.close(1000),
            LegStage::Serving(Serving { answer: Answering::Sent, .. }) => {
                self.fail(listener_closed());
                self.close(1000);
            }
            LegStage::Fetching(_) | LegStage::Serving(_) | LegStage::Closing { .. } => {}
        }
    }

    /// Begins with an exchange.
    pub(super) fn serve(&mut self, number: u64, body: Option<Arc<dyn BodyOutlet>>) {
        self.stage = LegStage::Serving(Serving { number, body, answer: Answering::Waiting });
        self.changed = true;
    }

    /// The answer has gone, or the body has come: goes on to what is next, if that was all.
    pub(super) fn settle(&mut self) {
        let LegStage::Serving(Serving { answer: Answering::Sent, body, .. }) = &self.stage else { return };
        let rest = body.is_some();
        self.since = Instant::now();
        self.changed = true;
        match (rest, self.leaving) {
            (true, true) => return self.leave(),
            (true, false) => return,
            (false, _) => self.post.serve(None),
        }
        match self.context.idle.clone().try_acquire_owned() {
            Ok(seat) if !self.leaving => self.stage = LegStage::Idle { _seat: seat },
            _ => self.close(1000),
        }
    }

    /// The exchange at hand comes to nothing.
    pub(super) fn fail(&mut self, error: RelayError) {
        let stage = mem::replace(&mut self.stage, LegStage::Closing { heard: false });
        let (number, answer) = match stage {
            LegStage::Serving(Serving { number, answer, .. }) => (number, answer),
            LegStage::Fetching(Some(_)) => return self.context.lost(error),
            // What came was no request. Otherwise the sender has left, and had none.
            LegStage::Idle { .. } if error.kind == ErrorKind::Protocol => return self.context.lost(error),
            LegStage::Fetching(None) | LegStage::Idle { .. } | LegStage::Closing { .. } => return,
        };
        self.post.serve(None);
        let registry = &self.context.registry;
        match answer {
            Answering::Sending(Sending { failed: true, .. }) => drop(registry.forget(number)),
            Answering::Waiting | Answering::Sending(_) => registry.fail(number, error),
            Answering::Sent => registry.lose_body(number, error),
        }
    }

    /// Says goodbye behind what is still to be written.
    pub(super) fn close(&mut self, code: u16) {
        self.post.serve(None);
        self.incoming = Incoming::Skipped;
        self.wire.close(code);
        self.stage = LegStage::Closing { heard: false };
        self.since = Instant::now();
        self.changed = true;
    }
}
