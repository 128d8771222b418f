//! The listener: keeps control channels up and turns what comes over them into events.
//!
//! ```text
//!   owner (binding)          Listener (handle)            tasks
//!   ---------------          -----------------            -----
//!   provide_token  ------->  tokens: one question  ---->  task 0..n: socket, timer, inputs
//!   accept, reject ------->  offers: limits, time, numbers  `- machine: every decision, no IO, no clock
//!   admit_host     ------->  hosts: asked before dials    supervisor: what is due, the end
//!   close          ------->  answers: bounded dials       tasks of HTTP rendezvous
//!   respond, ...   ------->  requests: HTTP exchanges ---'
//!        ^
//!        `---- events, in order per channel ----'
//! ```
//!
//! A listener accepts nothing by itself: it emits an offer, and the owner takes it with [`Listener::accept`] (and
//! dials the rendezvous) or refuses it with [`Listener::reject`].

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use config::{HostPolicy, KeepAlive, ListenerConfig, ReconnectConfig, SasRule, Secret};
pub use events::{ListenerEvent, ListenerSink, ListenerState, RelayedRequest};
pub use hosts::Admission;
pub use latency::LatencyHistogram;
pub use offers::{PendingAccept, PreparedRendezvous};
pub use outlet::{BodyOutlet, BodyWaker};
pub use stats::ListenerStats;

use crate::error::{ErrorKind, RelayError};
use backoff::Rng;
use dialer::{Dialer, NetworkDialer};
use machine::{ChannelInput, Machine};
use shared::Shared;
use task::ChannelTask;

mod answers;
pub mod backoff;
pub mod config;
mod control_socket;
pub mod dialer;
pub mod events;
mod hosts;
mod latency;
pub mod machine;
mod offers;
mod outlet;
mod requests;
mod shared;
mod stats;
mod task;
mod tokens;

/// A running listener. All methods may be called from any thread and never block. Dropping it closes it at once.
pub struct Listener {
    shared: Arc<Shared>,
}

impl Listener {
    /// Starts the channels on `runtime`. Everything that happens from now on is told to `sink`.
    ///
    /// # Errors
    /// `InvalidArgument` for options that could not be sent.
    pub fn start(
        config: ListenerConfig,
        sink: Arc<dyn ListenerSink>,
        runtime: &Handle,
    ) -> Result<Arc<Self>, RelayError> {
        let dialer = Arc::new(NetworkDialer::new(&config));
        Self::start_with(config, sink, runtime, dialer, || Box::new(rand::random::<f64>))
    }

    /// The same with a dialer and a source of jitter of one's own.
    ///
    /// # Errors
    /// As [`Listener::start`].
    pub fn start_with(
        config: ListenerConfig,
        sink: Arc<dyn ListenerSink>,
        runtime: &Handle,
        dialer: Arc<dyn Dialer>,
        rng: impl Fn() -> Rng,
    ) -> Result<Arc<Self>, RelayError> {
        let config = config.checked()?;
        let (inputs, receivers): (Vec<_>, Vec<_>) =
            (0..config.control_channels).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Arc::new(Shared::new(config, sink, dialer, runtime.clone(), inputs));
        for (channel, inputs) in (0..).zip(receivers) {
            let machine = Machine::new(shared.machine_config(channel), rng());
            let target = shared.config.control_target(channel);
            runtime.spawn(ChannelTask { channel, machine, shared: shared.clone(), inputs, target }.run());
        }
        runtime.spawn(shared.clone().keep_supervising());
        Ok(Arc::new(Self { shared }))
    }

    /// Answers a `token` event. A text that cannot be a token counts as a failure.
    pub fn provide_token(&self, token: String) {
        let life = tokens::life_of(&token);
        self.shared.token(&config::check_token(&token).map(|()| (Secret::new(token), life)));
    }

    /// Answers a `token` event with a failure.
    pub fn fail_token(&self, message: impl Into<String>) {
        self.shared.token(&Err(RelayError::new(ErrorKind::Token, message)));
    }

    /// Puts a new token to use at once: on every channel, and to wake a listener that gave up.
    ///
    /// # Errors
    /// `Token` if the text cannot be a token.
    pub fn update_token(&self, token: &str) -> Result<(), RelayError> {
        config::check_token(token)?;
        self.shared.update_token(Secret::new(token));
        Ok(())
    }

    /// Names the delay of the retry that `reconnecting` has announced for `channel`.
    pub fn retry_in(&self, channel: u16, delay: Duration) {
        self.shared.tell(channel, ChannelInput::RetryIn(delay));
    }

    /// Lets a sender in. `None` if there is no offer of that number any more: expired, decided, or never made. What is
    /// given may be dialled once its `admission`, if it has one, says so.
    pub fn accept(&self, offer_id: u64) -> Option<PreparedRendezvous> {
        let Shared { answers, offers, network, .. } = &*self.shared;
        // The listener could end for want of offers before the question about this one's host is asked.
        let _stay = answers.stay();
        let (offer, remaining, pending) = offers.accept(offer_id)?;
        let admission = answers.ask(offer.id, &offer.address);
        Some(PreparedRendezvous {
            id: offer.id,
            address: offer.address,
            extensions: offer.extensions,
            remaining,
            admission,
            pending,
            dialer: network.clone(),
        })
    }

    /// Turns a sender away through the relay: its handshake fails with `status` and `reason`. False if there is no offer
    /// of that number any more.
    pub fn reject(&self, offer_id: u64, status: u16, reason: &str) -> bool {
        let offer = self.shared.offers.reject(offer_id);
        offer.map(|offer| self.shared.answers.reject(offer.id, offer.address, status, reason)).is_some()
    }

    /// The same with 500, for a sender that could not be let in for a fault of the owner's.
    pub fn fail(&self, offer_id: u64) -> bool {
        let Shared { answers, offers, .. } = &*self.shared;
        let offer = offers.fail(offer_id);
        offer.map(|offer| answers.reject(offer.id, offer.address, 500, "Internal Server Error")).is_some()
    }

    /// Tells that an open connection has gone, which counts for `max_connections`.
    pub fn left(&self) {
        self.shared.offers.left();
    }

    /// Answers a `host` event: only what is admitted is dialled.
    pub fn admit_host(&self, id: u64, admitted: bool) {
        self.shared.answers.hosts.answer(id, admitted);
    }

    /// The whole answer to a request: its head as Node writes it, in Latin-1, and its body. False if there is no exchange
    /// of that number that waits for this, as in the following.
    pub fn respond(&self, exchange: u64, head: Vec<u8>, body: Vec<u8>) -> bool {
        self.shared.requests.respond(exchange, head, body)
    }

    /// The head of an answer whose body follows in parts.
    pub fn begin_answer(&self, exchange: u64, head: Vec<u8>) -> bool {
        self.shared.requests.begin_answer(exchange, head)
    }

    /// A part of that body.
    pub fn write_answer(&self, exchange: u64, chunk: &[u8]) -> bool {
        self.shared.requests.write_answer(exchange, chunk)
    }

    /// Its end; `ExchangeEnd` says when all of it has left.
    pub fn end_answer(&self, exchange: u64) -> bool {
        self.shared.requests.end_answer(exchange)
    }

    /// Ends an exchange without an answer, or in the middle of it, which the sender can tell from a whole one.
    pub fn cut_answer(&self, exchange: u64) -> bool {
        self.shared.requests.cut_answer(exchange)
    }

    /// Has the body of a request come, or not for now. At first it does not.
    pub fn flow_body(&self, exchange: u64, flowing: bool) -> bool {
        self.shared.requests.flow_body(exchange, flowing)
    }

    /// Dials the rendezvous of a request now: it alone tells that the sender has left.
    pub fn dial_request(&self, exchange: u64) -> bool {
        self.shared.requests.dial(exchange)
    }

    /// Lets nobody in any more, and takes the channels down: at once, and whoever still waits for a verdict gets 503; or
    /// with `drain` when all who are here have been let in or not. `closed` is emitted when all of this is done.
    pub fn close(&self, drain: bool) {
        self.shared.offers.close(drain);
        self.shared.requests.close(drain);
        if !drain {
            self.shared.close_channels();
        }
    }

    /// Whether `closed` has been emitted, or is just being.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// A snapshot of the counters.
    pub fn stats(&self) -> ListenerStats {
        self.shared.stats()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close(false);
    }
}

#[cfg(test)]
mod tests;
