//! The listener: keeps control channels up and turns what comes over them into events.
//!
//! ```text
//!   owner (binding)          Listener (handle)            tasks
//!   ---------------          -----------------            -----
//!   provide_token  ------->  tokens: one question  ---->  task 0..n: socket, timer, inputs
//!   accept, reject ------->  offers: bounded                `- machine: every decision, no IO, no clock
//!   admit_host     ------->  hosts: asked before dials    supervisor: old offers, the end
//!   close          ------->  answers: bounded dials
//!        ^
//!        `---- events, in order per channel ----'
//! ```
//!
//! A listener accepts nothing by itself: it emits an offer, and the owner takes it with [`Listener::accept`] (and
//! dials the rendezvous) or refuses it with [`Listener::reject`].

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use config::{
    HostPolicy, KeepAlive, KeepAliveMode, ListenerConfig, ReconnectConfig, SasRule, Secret, TokenSource,
};
pub use events::{ListenerEvent, ListenerSink, ListenerState, TokenReason};
pub use hosts::Admission;
pub use offers::PreparedRendezvous;
pub use stats::Stats;

use crate::error::{ErrorKind, RelayError};
use backoff::Rng;
use dialer::{Dialer, NetworkDialer};
use machine::{ChannelInput, Machine, MachineConfig, Tokens};
use shared::Shared;
use task::ChannelTask;

mod answers;
pub mod backoff;
pub mod config;
mod control_socket;
pub mod dialer;
pub mod events;
mod hosts;
pub mod machine;
mod offers;
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
    /// `InvalidArgument` or `Token` for options that could not be sent.
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
            let machine = Machine::new(machine_config(&shared, channel), rng());
            let target = shared.config.control_target(channel);
            runtime.spawn(ChannelTask { channel, machine, shared: shared.clone(), inputs, target }.run());
        }
        runtime.spawn(shared.clone().keep_supervising());
        Ok(Arc::new(Self { shared }))
    }

    /// Answers a `token` event. A text that cannot be a token counts as a failure.
    pub fn provide_token(&self, token: Result<String, String>) {
        match token {
            Ok(token) => {
                let answer = config::check_token(&token).map_err(|error| (error, false));
                let life = tokens::life_of(&token);
                self.shared.token(&answer.map(|()| (Secret::new(token), life)));
            }
            Err(message) => self.fail_token(message, false),
        }
    }

    /// Answers a `token` event with a failure; `terminal` if asking again is useless.
    pub fn fail_token(&self, message: impl Into<String>, terminal: bool) {
        self.shared.token(&Err((RelayError::new(ErrorKind::Token, message), terminal)));
    }

    /// Puts a new token to use at once: on every channel, and to wake a listener that gave up.
    ///
    /// # Errors
    /// `Token` if the text cannot be a token.
    pub fn update_token(&self, token: &str) -> Result<(), RelayError> {
        config::check_token(token)?;
        let (value, expires_in) = (Secret::new(token), tokens::life_of(token));
        self.shared.lock().updated_token = Some(value.clone());
        for channel in 0..self.shared.config.control_channels {
            self.shared.tell(channel, ChannelInput::UpdateToken { value: value.clone(), expires_in });
        }
        Ok(())
    }

    /// Names the delay of the retry that `reconnecting` has announced for `channel`.
    pub fn retry_in(&self, channel: u16, delay: Duration) {
        self.shared.tell(channel, ChannelInput::RetryIn(delay));
    }

    /// Takes an offer. `None` if there is none of that number any more: expired, decided, or never made. What is
    /// given may be dialled once its `admission`, if it has one, says so.
    pub fn accept(&self, offer_id: u64) -> Option<PreparedRendezvous> {
        // The listener could end for want of offers before the question about this one's host is asked.
        let _stay = self.shared.answers.stay();
        let offer = self.take(offer_id)?;
        self.shared.counters.accepted();
        let admission = self.shared.ask(offer.id, &offer.address);
        let left = self.shared.config.accept_timeout.saturating_sub(offer.received.elapsed());
        Some(PreparedRendezvous {
            id: offer.id,
            address: offer.address,
            accept: offer.accept,
            remaining: left,
            admission,
            dialer: self.shared.network.clone(),
        })
    }

    /// Refuses an offer through the relay: the sender's handshake fails with `status` and `reason`. False if there
    /// is none of that number any more.
    pub fn reject(&self, offer_id: u64, status: u16, reason: &str) -> bool {
        let Some(offer) = self.take(offer_id) else { return false };
        self.shared.reject(offer.id, offer.address, status, reason);
        true
    }

    /// Refuses an offer that was already taken, before its rendezvous was dialled.
    pub fn reject_prepared(&self, rendezvous: PreparedRendezvous, status: u16, reason: &str) {
        self.shared.reject(rendezvous.id, rendezvous.address, status, reason);
    }

    /// Answers a `host` event: only what is admitted is dialled.
    pub fn admit_host(&self, id: u64, admitted: bool) {
        self.shared.lock().questions.answer(id, admitted);
    }

    fn take(&self, offer_id: u64) -> Option<offers::Offer> {
        let mut inner = self.shared.lock();
        let offer = inner.offers.take(offer_id);
        if inner.drain_until.is_some() && inner.offers.len() == 0 {
            self.shared.wake.notify_one();
        }
        offer
    }

    /// Takes the channels down: no sender reaches us any more. Offers that are not decided within `drain` are
    /// rejected with 503. `closed` is emitted when all of this is done.
    pub fn close(&self, drain: Duration) {
        let now = Instant::now();
        let until = now.checked_add(drain).unwrap_or_else(|| now + Duration::from_secs(86_400));
        let mut inner = self.shared.lock();
        let first = inner.drain_until.is_none();
        inner.drain_until = Some(inner.drain_until.map_or(until, |earlier| earlier.min(until)));
        drop(inner);
        if first {
            for channel in 0..self.shared.config.control_channels {
                self.shared.tell(channel, ChannelInput::Close);
            }
        }
        self.shared.wake.notify_one();
    }

    /// The best state of all channels: online if one of them is.
    pub fn state(&self) -> ListenerState {
        let inner = self.shared.lock();
        let closing = inner.drain_until.is_some();
        let has = |state| inner.channels.iter().any(|channel| channel.state == state);
        let order = [
            ListenerState::Online,
            ListenerState::Reconnecting,
            ListenerState::Connecting,
            ListenerState::Offline,
            ListenerState::Closing,
        ];
        match order.into_iter().find(|state| has(*state)) {
            None if inner.offers.len() == 0 => ListenerState::Closed,
            _ if closing => ListenerState::Closing,
            state => state.unwrap_or(ListenerState::Closed),
        }
    }

    /// A snapshot of the counters.
    pub fn stats(&self) -> Stats {
        let inner = self.shared.lock();
        let online = inner.channels.iter().filter(|channel| channel.state == ListenerState::Online).count();
        let rtt = inner.channels.iter().filter_map(|channel| channel.rtt).max();
        Stats {
            online: online as u64,
            pending: inner.offers.len() as u64,
            rtt: rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            ..self.shared.counters.snapshot()
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

fn machine_config(shared: &Shared, channel: u16) -> MachineConfig {
    let config = &shared.config;
    let held = |token: &Secret| Tokens::Held(Some((token.clone(), tokens::life_of(token.expose()))));
    MachineConfig {
        channel,
        keep_alive: config.keep_alive,
        reconnect: config.reconnect.clone(),
        handshake_timeout: config.handshake_timeout,
        recycle_after: config.recycle_after,
        listen: config.listen.clone(),
        hosts: config.rendezvous_hosts,
        channels: config.control_channels,
        tokens: match (&config.token, &shared.lock().updated_token) {
            (TokenSource::Provider | TokenSource::Rule(_), _) => Tokens::Provider,
            (_, Some(token)) | (TokenSource::Fixed(token), None) => held(token),
            (TokenSource::InUri, None) => Tokens::Held(None),
        },
    }
}

#[cfg(test)]
mod tests;
