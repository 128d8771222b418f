//! The listener's side of HTTP: requests of senders, and the owner's answers.
//!
//! ```text
//!   owner's thread                     IO thread
//!   respond, beginAnswer, … ──┐        channel's task: a request with its body, or a short form ──┐
//!                             ▼                                                                   ▼
//!                          registry: number -> exchange, deadlines ◄──────── tickets: limits, what is in progress
//!                             │
//!              ┌──────────────┴─────────────┐
//!        small, whole                 large, streaming, or the request came there
//!   the control channel           leg: the task of one rendezvous, kept for the sender's next requests
//! ```
//!
//! A request that came on a control channel costs no task: its deadlines are the supervisor's.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

pub(super) use prepared::PreparedAnswer;
pub(super) use tickets::{ChannelOrder, PendingAnswer, Tickets};

use super::answers::{Answers, listener_closed};
use super::config::ListenerConfig;
use super::dialer::Dialer;
use super::events::ListenerEvent;
use super::latency::LatencyHistogram;
use super::machine::{LinkId, LinkRequest};
use super::stats::CountingSink;
use crate::error::{ErrorKind, RelayError};
use crate::protocol::address::Address;
use crate::protocol::answer::bare_response;
use legs::Legs;
use post::{LegItem, LegPost};
use registry::{Arrival, Registry, Stage, Way, too_late};

mod leg;
mod leg_context;
mod leg_reading;
mod leg_task;
mod leg_writing;
mod legs;
mod post;
mod prepared;
mod registry;
mod tickets;
mod wire;

/// Everything about the requests of one listener.
pub(super) struct Requests {
    registry: Arc<Registry>,
    tickets: Arc<Tickets>,
    legs: Legs,
    sink: Arc<CountingSink>,
}

impl Requests {
    pub(super) fn new(
        config: &ListenerConfig,
        dialer: Arc<dyn Dialer>,
        answers: Arc<Answers>,
        sink: Arc<CountingSink>,
        tickets: Arc<Tickets>,
    ) -> Self {
        let registry = Arc::new(Registry::new(config, sink.clone(), tickets.clone()));
        let both = (registry.clone(), tickets.clone());
        let legs = Legs::new(config, dialer, answers, sink.clone(), both);
        Self { registry, tickets, legs, sink }
    }

    /// A request has come on a link, with its body if it has one. What is returned answers it at once.
    pub(super) fn receive(
        &self,
        (channel, link): (u16, LinkId),
        LinkRequest { id, address, head }: LinkRequest,
        body: Option<Bytes>,
    ) -> Option<String> {
        let counters = &self.sink.counters;
        counters.requests.bump();
        let body_size = body.as_ref().map_or(0, Bytes::len);
        counters.request_bytes.add(body_size);
        let size = id.len() + address.as_ref().map_or(0, String::len) + head.size() + body_size;
        let Some(ticket) = self.tickets.admit(Some((channel, link)), size) else {
            counters.requests_refused.bump();
            return Some(bare_response(&id, 503));
        };
        self.registry.begin((id, head), Arrival { ticket, address, leg: None }, body, |_| None);
        None
    }

    /// A request waits at `address`, and is read there.
    pub(super) fn fetch(&self, address: Address) {
        self.sink.counters.requests.bump();
        self.legs.fetch(address);
    }

    /// The owner's whole answer. False if there is no exchange of that number that waits for one, as in the following.
    pub(super) fn respond(&self, number: u64, head: Vec<u8>, body: Vec<u8>) -> bool {
        let Some((answer, way)) = self.registry.answer(number, head, body, false) else { return false };
        match way {
            Way::Link(channel, link) => {
                if let Some(ChannelOrder::Answer(_, answer)) =
                    self.tickets.tell(channel, ChannelOrder::Answer(link, answer))
                {
                    self.send_elsewhere(self.prepare(answer));
                }
            }
            Way::Leg(leg) => self.post(&leg, answer, false),
            Way::Dial => self.legs.carry(answer),
        }
        true
    }

    /// What goes out on the control channel for an answer.
    pub(super) fn prepare(&self, answer: PendingAnswer) -> PreparedAnswer {
        self.registry.prepare(answer, false)
    }

    /// An answer with a body of so many bytes has been given to its control channel.
    pub(super) fn sent_by_channel(&self, body: usize) {
        self.sink.counters.answers_by_channel.bump();
        self.sink.counters.answer_bytes.add(body);
    }

    /// The control channel of an answer is gone, or the answer is too large for it: its rendezvous is the way out.
    pub(super) fn send_elsewhere(&self, answer: PreparedAnswer) {
        self.legs.deliver(answer);
    }

    fn post(&self, leg: &Arc<LegPost>, answer: PendingAnswer, streams: bool) {
        let number = answer.number;
        if let Some(LegItem::Answer { answer, streams }) =
            leg.push(number, LegItem::Answer { answer, streams })
        {
            self.legs.undelivered(answer, streams);
        }
    }

    /// The head of an answer whose body follows in parts.
    pub(super) fn begin_answer(&self, number: u64, head: Vec<u8>) -> bool {
        let leg = Arc::new(LegPost::of(number));
        // There may be one already.
        let dial = self.registry.take_leg(number, &leg);
        let Some((answer, way)) = self.registry.answer(number, head, Vec::new(), true) else { return false };
        if let Way::Leg(leg) = way {
            self.post(&leg, answer, true);
        }
        if let Some(address) = dial {
            self.legs.dial(number, address, leg);
        }
        true
    }

    /// A part of the body. False where nobody waits for it, as in the following.
    pub(super) fn write_answer(&self, number: u64, chunk: &[u8]) -> bool {
        let Some(leg) = self.registry.streaming(number) else { return false };
        if !leg.write(number, chunk) {
            let text = "The sender does not read, and more than 256 MiB of the answer wait for it";
            self.registry.fail(number, RelayError::new(ErrorKind::Limit, text));
        }
        true
    }

    /// The end of the body.
    pub(super) fn end_answer(&self, number: u64) -> bool {
        self.registry.ended(number).map(|leg| leg.end(number)).is_some()
    }

    /// The owner gives an exchange up: what has not gone out does not.
    pub(super) fn cut_answer(&self, number: u64) -> bool {
        let cut = self.cut(number);
        if cut {
            self.sink.counters.requests_failed.bump();
        }
        cut
    }

    fn cut(&self, number: u64) -> bool {
        let Some(leg) = self.registry.forget(number) else { return false };
        if let Some(leg) = leg {
            leg.push(number, LegItem::Cut);
        }
        true
    }

    /// The owner wants more of the request's body, or no more for now.
    pub(super) fn flow_body(&self, number: u64, flowing: bool) -> bool {
        self.registry.flow_body(number, flowing)
    }

    /// Dials the rendezvous of an exchange that came on a control channel.
    pub(super) fn dial(&self, number: u64) -> bool {
        let leg = Arc::new(LegPost::of(number));
        let Some(address) = self.registry.take_leg(number, &leg) else { return false };
        self.legs.dial(number, address, leg);
        true
    }

    /// Does what is due.
    pub(super) fn run_timers(&self, now: Instant) {
        while let Some((number, stage)) = self.registry.due(now) {
            match stage {
                Stage::Dial => {
                    self.dial(number);
                }
                Stage::Warn => self.sink.emit(ListenerEvent::SlowRequest { number }),
                Stage::GiveUp => self.registry.fail(number, too_late()),
            }
        }
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.registry.deadline()
    }

    /// Takes no more requests; with `drain` those that are here are finished, otherwise their senders get 503, or a cut
    /// answer.
    pub(super) fn close(&self, drain: bool) {
        self.tickets.close();
        self.legs.close(!drain);
        if !drain {
            for number in self.registry.numbers() {
                self.turn_away(number);
            }
        }
    }

    fn turn_away(&self, number: u64) {
        // Of an answer that is complete only the sender's body is missing: its rendezvous sees to that.
        if self.registry.is_answered(number) {
            return;
        }
        let head = b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec();
        if self.respond(number, head, Vec::new()) {
            self.registry.forget(number);
        } else {
            self.cut(number);
        }
        self.registry.tell_end(number, Some(listener_closed()));
    }

    /// Whether nobody comes any more and all are answered.
    pub(super) fn is_drained(&self) -> bool {
        self.tickets.is_drained()
    }

    /// Requests in progress, and how long answers took.
    pub(super) fn numbers(&self) -> (usize, LatencyHistogram) {
        (self.tickets.pending(), self.registry.latency())
    }
}
