//! The exchanges in progress, numbered: what the owner says by number finds its way here, and what has taken too long is
//! found. Called from the owner's thread, the channels' tasks and those of the rendezvous.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::post::{LegItem, LegPost};
use super::prepared::{PreparedAnswer, prepare};
use super::tickets::{PendingAnswer, Ticket, Tickets};
use crate::error::{ErrorKind, RelayError};
use crate::listener::config::ListenerConfig;
use crate::listener::events::{ListenerEvent, RelayedRequest};
use crate::listener::latency::LatencyHistogram;
use crate::listener::machine::LinkId;
use crate::listener::outlet::BodyOutlet;
use crate::listener::stats::CountingSink;
use crate::protocol::control::{MAX_INLINE, RequestHead};
use crate::protocol::relayed::{RelayedBody, program_headers, program_target};
use crate::sync::lock;

/// The relay waits this long for the head of an answer; then the sender has got 504, and nobody waits any more.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// When the owner hears of a request that has no answer yet.
const SLOW: Duration = Duration::from_secs(55);
/// When the rendezvous of a request is dialled that has no answer yet: its address lapses, and it alone tells that the
/// sender has left.
const EARLY_DIAL: Duration = Duration::from_secs(20);

/// What is due for exchanges without an answer, in this order.
const STAGES: [(Duration, Stage); 3] =
    [(EARLY_DIAL, Stage::Dial), (SLOW, Stage::Warn), (ANSWER_TIME, Stage::GiveUp)];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Dial,
    Warn,
    GiveUp,
}

/// One request and its answer.
struct Exchange {
    id: String,
    address: Option<String>,
    bodiless: bool,
    received: Instant,
    /// The answer takes it.
    ticket: Option<Ticket>,
    /// The answer streams, and its end has not been said.
    streaming: bool,
    leg: Option<Arc<LegPost>>,
    /// The rest of the request's body comes by it.
    body: Option<Arc<dyn BodyOutlet>>,
}

/// How a request has come.
pub(super) struct Arrival {
    pub(super) ticket: Ticket,
    pub(super) address: Option<String>,
    pub(super) leg: Option<Arc<LegPost>>,
}

/// All exchanges of a listener.
pub(super) struct Registry {
    sink: Arc<CountingSink>,
    tickets: Arc<Tickets>,
    /// The relay, as the senders have addressed it.
    host: String,
    secure: bool,
    state: Mutex<RegistryState>,
}

#[derive(Default)]
struct RegistryState {
    last: u64,
    /// In the order in which they came.
    open: BTreeMap<u64, Exchange>,
    /// Up to which number each stage is done.
    done: [u64; STAGES.len()],
    latency: LatencyHistogram,
    /// The supervisor looks again before the next one is due.
    timed: bool,
}

/// What the owner's answer to an exchange is to be sent with.
pub(super) enum Way {
    /// By the control channel that the request came on.
    Link(u16, LinkId),
    /// By the rendezvous that there is.
    Leg(Arc<LegPost>),
    /// By one that has to be dialled.
    Dial,
}

impl Registry {
    pub(super) fn new(config: &ListenerConfig, sink: Arc<CountingSink>, tickets: Arc<Tickets>) -> Self {
        let (host, secure) = (config.listen.host_header(), config.listen.secure);
        Self { sink, tickets, host, secure, state: Mutex::default() }
    }

    /// A request has come, of which the owner hears. `body` is there if it is whole; otherwise it streams if `outlet`
    /// makes where to.
    pub(super) fn begin(
        &self,
        request: (String, RequestHead),
        arrival: Arrival,
        body: Option<Bytes>,
        outlet: impl FnOnce(u64) -> Option<Arc<dyn BodyOutlet>>,
    ) -> (u64, Option<Arc<dyn BodyOutlet>>) {
        let (id, RequestHead { method, target, headers, remote_endpoint, .. }) = request;
        let Arrival { ticket, address, leg } = arrival;
        let mut state = lock(&self.state);
        state.last += 1;
        let number = state.last;
        let body_to = outlet(number);
        if let Some(leg) = &leg {
            leg.serve(Some(number));
        }
        let exchange = Exchange {
            id: id.clone(),
            address,
            bodiless: method == "HEAD",
            received: Instant::now(),
            ticket: Some(ticket),
            streaming: false,
            leg,
            body: body_to.clone(),
        };
        state.open.insert(number, exchange);
        let wake = !std::mem::replace(&mut state.timed, true);
        drop(state);
        if wake {
            self.tickets.changed();
        }
        let form = match (&body, &body_to) {
            (Some(body), _) => RelayedBody::Whole(body.len()),
            (None, Some(_)) => RelayedBody::Streams,
            (None, None) => RelayedBody::None,
        };
        self.sink.emit(ListenerEvent::Request(Box::new(RelayedRequest {
            number,
            id,
            method,
            target: program_target(target),
            host: self.host.clone(),
            secure: self.secure,
            headers: program_headers(headers, &self.host, form),
            remote_endpoint,
            streams: form == RelayedBody::Streams,
            body,
        })));
        (number, body_to)
    }

    /// The owner answers: with all of it, or with a head whose body `streams`. `None` for an exchange that there is not, or
    /// that has its answer.
    pub(super) fn answer(
        &self,
        number: u64,
        head: Vec<u8>,
        body: Vec<u8>,
        streams: bool,
    ) -> Option<(PendingAnswer, Way)> {
        let mut state = lock(&self.state);
        let RegistryState { open, latency, .. } = &mut *state;
        let exchange = open.get_mut(&number)?;
        let mut ticket = exchange.ticket.take()?;
        latency.record(exchange.received.elapsed());
        exchange.streaming = streams;
        let leg = exchange.leg.clone();
        let (id, address, bodiless) = if streams || exchange.body.is_some() {
            (exchange.id.clone(), exchange.address.clone(), exchange.bodiless)
        } else {
            let Exchange { id, address, bodiless, .. } = open.remove(&number)?;
            (id, address, bodiless)
        };
        drop(state);
        ticket.hold(body.len());
        let way = match (leg, ticket.link()) {
            (Some(leg), _) => Way::Leg(leg),
            (None, Some((channel, link))) if !streams && body.len() <= MAX_INLINE => Way::Link(channel, link),
            (None, _) => Way::Dial,
        };
        Some((PendingAnswer { number, id, address, bodiless, head, body, ticket }, way))
    }

    /// The rendezvous of an exchange whose answer streams, to which more of it goes.
    pub(super) fn streaming(&self, number: u64) -> Option<Arc<LegPost>> {
        let state = lock(&self.state);
        let exchange = state.open.get(&number).filter(|exchange| exchange.streaming)?;
        exchange.leg.clone()
    }

    /// The owner has said all of an answer that streams.
    pub(super) fn ended(&self, number: u64) -> Option<Arc<LegPost>> {
        let mut state = lock(&self.state);
        let exchange = state.open.get_mut(&number).filter(|exchange| exchange.streaming)?;
        exchange.streaming = false;
        let leg = exchange.leg.clone();
        if exchange.body.is_none() {
            state.open.remove(&number);
        }
        leg
    }

    /// Whether the owner has said all of its answer, and the exchange is there for the request's body alone.
    pub(super) fn is_answered(&self, number: u64) -> bool {
        let state = lock(&self.state);
        state.open.get(&number).is_some_and(|exchange| exchange.ticket.is_none() && !exchange.streaming)
    }

    /// The last of the request's body has come.
    pub(super) fn body_ended(&self, number: u64) {
        let mut state = lock(&self.state);
        let Some(exchange) = state.open.get_mut(&number) else { return };
        exchange.body = None;
        if exchange.ticket.is_none() && !exchange.streaming {
            state.open.remove(&number);
        }
    }

    /// The owner wants more of the request's body, or no more for now.
    pub(super) fn flow_body(&self, number: u64, flowing: bool) -> bool {
        let body = lock(&self.state).open.get(&number).and_then(|exchange| exchange.body.clone());
        body.is_some_and(|body| {
            body.flow(flowing);
            true
        })
    }

    /// Gives an exchange that has none `leg`, which is to be dialled at the address that is returned.
    pub(super) fn take_leg(&self, number: u64, leg: &Arc<LegPost>) -> Option<Option<String>> {
        let mut state = lock(&self.state);
        let exchange = state.open.get_mut(&number).filter(|exchange| exchange.leg.is_none())?;
        exchange.leg = Some(leg.clone());
        Some(exchange.address.clone())
    }

    /// The rendezvous of an exchange could not be opened: false if the exchange can do without.
    pub(super) fn lose_leg(&self, number: u64) -> bool {
        let mut state = lock(&self.state);
        let Some(exchange) = state.open.get_mut(&number) else { return true };
        let dispensable = exchange.ticket.as_ref().is_some_and(|ticket| ticket.link().is_some());
        if dispensable {
            // Its address was good for one dial.
            (exchange.leg, exchange.address) = (None, None);
        }
        !dispensable
    }

    /// Nobody waits for the answer any more, or nobody will give one: the exchange is forgotten.
    pub(super) fn forget(&self, number: u64) -> Option<Option<Arc<LegPost>>> {
        let exchange = lock(&self.state).open.remove(&number);
        // The ticket is dropped here, out of the lock.
        exchange.map(|exchange| exchange.leg)
    }

    /// The same, of which the owner hears.
    pub(super) fn fail(&self, number: u64, error: RelayError) {
        let forgotten = self.forget(number);
        self.tell_end(number, Some(error));
        if let Some(Some(leg)) = forgotten {
            leg.push(number, LegItem::Cut);
        }
    }

    /// The rest of a request's body does not come: the owner hears of it, if it still waits.
    pub(super) fn lose_body(&self, number: u64, error: RelayError) {
        if self.forget(number).is_some() {
            self.tell_end(number, Some(error));
        }
    }

    /// An answer as it goes out. The owner hears of one that cannot.
    pub(super) fn prepare(&self, answer: PendingAnswer, streams: bool) -> PreparedAnswer {
        let (answer, error) = prepare(answer, streams);
        if error.is_some() {
            self.forget(answer.number);
            self.tell_end(answer.number, error);
        }
        answer
    }

    /// Tells the owner how an exchange has ended.
    pub(super) fn tell_end(&self, number: u64, error: Option<RelayError>) {
        if error.is_some() {
            self.sink.counters.requests_failed.bump();
        }
        self.sink.emit(ListenerEvent::ExchangeEnd { number, error });
    }

    /// The next exchange for which something is due.
    pub(super) fn due(&self, now: Instant) -> Option<(u64, Stage)> {
        let mut state = lock(&self.state);
        let RegistryState { open, done, .. } = &mut *state;
        for (done, (after, stage)) in done.iter_mut().zip(STAGES) {
            while let Some((&number, exchange)) = open.range(above(*done)).next() {
                let unanswered = exchange.ticket.is_some();
                if unanswered && now < exchange.received + after {
                    break;
                }
                *done = number;
                if unanswered {
                    return Some((number, stage));
                }
            }
        }
        None
    }

    /// When something is due next, if nothing changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let mut state = lock(&self.state);
        let next = |(done, (after, _)): (&u64, (Duration, Stage))| {
            let (_, exchange) = state.open.range(above(*done)).next()?;
            Some(exchange.received + after)
        };
        let deadline = state.done.iter().zip(STAGES).filter_map(next).min();
        state.timed = deadline.is_some();
        deadline
    }

    /// The numbers of all that are open.
    pub(super) fn numbers(&self) -> Vec<u64> {
        lock(&self.state).open.keys().copied().collect()
    }

    /// How long answers took.
    pub(super) fn latency(&self) -> LatencyHistogram {
        lock(&self.state).latency.clone()
    }
}

fn above(number: u64) -> (Bound<u64>, Bound<u64>) {
    (Bound::Excluded(number), Bound::Unbounded)
}

/// The relay has given a request up.
pub(super) fn too_late() -> RelayError {
    RelayError::new(ErrorKind::Timeout, "The request was not answered within the 60 s that the relay waits")
}
