//! What the handle, the channels and the answers of one listener share.

#![forbid(unsafe_code)]

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::answers::{Answer, Answers, Says};
use super::config::{CLOSE_TIMEOUT, ListenerConfig, Secret, TOKEN_TIMEOUT};
use super::dialer::{Dialer, NetworkDialer};
use super::events::{ListenerEvent, ListenerSink, ListenerState, TokenReason};
use super::hosts::Questions;
use super::machine::ChannelInput;
use super::offers::{Offer, Offers};
use super::stats::Counters;
use super::tokens::{Broker, Signer, life_of};
use crate::error::RelayError;
use crate::protocol::accept::header_safe;
use crate::protocol::address::Address;
use crate::protocol::control::Accept;
use crate::protocol::target::RequestTarget;
use crate::sync::unpoisoned;

/// Pause of a supervisor that panicked.
const SUPERVISOR_REST: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    pub(super) config: ListenerConfig,
    pub(super) sink: Arc<dyn ListenerSink>,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) network: Arc<NetworkDialer>,
    pub(super) runtime: Handle,
    pub(super) counters: Counters,
    pub(super) answers: Answers,
    pub(super) inputs: Vec<UnboundedSender<ChannelInput<'static>>>,
    /// Wakes the supervisor.
    pub(super) wake: Notify,
    inner: Mutex<Inner>,
}

/// Never locked while an event is emitted: the sink may call back.
pub(super) struct Inner {
    pub(super) offers: Offers,
    pub(super) questions: Questions,
    pub(super) broker: Broker,
    /// In the broker's place, where the tokens are our own.
    pub(super) signer: Option<Signer>,
    pub(super) channels: Vec<Channel>,
    /// The last one that `update_token` brought.
    pub(super) updated_token: Option<Secret>,
    /// Set by `close`: until when offers may still be decided.
    pub(super) drain_until: Option<Instant>,
}

#[derive(Clone, Copy)]
pub(super) struct Channel {
    pub(super) state: ListenerState,
    pub(super) rtt: Option<Duration>,
    pub(super) ended: bool,
}

impl Shared {
    pub(super) fn new(
        config: ListenerConfig,
        sink: Arc<dyn ListenerSink>,
        dialer: Arc<dyn Dialer>,
        runtime: Handle,
        inputs: Vec<UnboundedSender<ChannelInput<'static>>>,
    ) -> Self {
        let channel = Channel { state: ListenerState::Connecting, rtt: None, ended: false };
        let inner = Inner {
            offers: Offers::new(config.max_pending_accepts),
            questions: Questions::default(),
            broker: Broker::default(),
            signer: Signer::new(&config),
            channels: vec![channel; inputs.len()],
            updated_token: None,
            drain_until: None,
        };
        Self {
            sink,
            dialer,
            network: Arc::new(NetworkDialer::new(&config)),
            runtime,
            counters: Counters::default(),
            answers: Answers::new(),
            inputs,
            wake: Notify::new(),
            inner: Mutex::new(inner),
            config,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        unpoisoned(self.inner.lock())
    }

    pub(super) fn emit(&self, event: ListenerEvent) {
        self.counters.count(&event);
        self.sink.event(event);
    }

    pub(super) fn tell(&self, channel: u16, input: ChannelInput<'static>) {
        if let Some(sender) = self.inputs.get(usize::from(channel)) {
            // A channel that has ended needs to be told nothing.
            let _ = sender.send(input);
        }
    }

    pub(super) fn set_state(&self, channel: u16, state: ListenerState, rtt: Option<Duration>) {
        if let Some(channel) = self.lock().channels.get_mut(usize::from(channel)) {
            channel.state = state;
            channel.rtt = rtt;
        }
    }

    pub(super) fn channel_ended(&self, channel: u16) {
        if let Some(channel) = self.lock().channels.get_mut(usize::from(channel)) {
            channel.state = ListenerState::Closed;
            channel.ended = true;
        }
        self.wake.notify_one();
    }

    pub(super) fn request_token(&self, channel: u16, refresh: bool, reason: TokenReason) {
        let mut inner = self.lock();
        if let Some(signer) = &mut inner.signer {
            let signed = signer.sign(channel, refresh);
            drop(inner);
            // It counts as if the owner had been asked.
            self.counters.count(&ListenerEvent::Token { refresh, reason });
            return self.signed(channel, signed);
        }
        let event = inner.broker.request(Instant::now(), TOKEN_TIMEOUT, (channel, refresh, reason));
        drop(inner);
        if let Some(event) = event {
            self.emit(event);
        }
    }

    fn signed(&self, channel: u16, signed: Result<Secret, RelayError>) {
        let input = match signed {
            Ok(value) => {
                let expires_in = life_of(value.expose());
                ChannelInput::Token { value, expires_in }
            }
            Err(error) => {
                self.emit(ListenerEvent::TokenFailed { error: error.clone() });
                ChannelInput::TokenFailed { error, terminal: false }
            }
        };
        self.tell(channel, input);
    }

    /// Hands the provider's answer to the channels that wait for it.
    pub(super) fn token(&self, answer: &Result<(Secret, Option<Duration>), (RelayError, bool)>) {
        let (channels, event) = self.lock().broker.answer(Instant::now());
        for channel in channels {
            let input = match answer.clone() {
                Ok((value, expires_in)) => ChannelInput::Token { value, expires_in },
                Err((error, terminal)) => ChannelInput::TokenFailed { error, terminal },
            };
            self.tell(channel, input);
        }
        if let Some(event) = event {
            self.emit(event);
        }
    }

    /// A sender waits: pass it on, or say no where there is no room.
    pub(super) fn offer(self: &Arc<Self>, accept: Accept, address: Address) {
        let mut inner = self.lock();
        let id = inner.offers.number();
        let refusal = match (inner.drain_until, inner.offers.is_full()) {
            (Some(_), _) => Some("The listener is closing"),
            (None, true) => Some("The listener has too many connections waiting"),
            (None, false) => None,
        };
        if let Some(reason) = refusal {
            drop(inner);
            self.counters.turned_away();
            return self.reject(id, address, 503, reason);
        }
        let first = inner.offers.len() == 0;
        let (host, target) = (address.host_header(), RequestTarget::of_address(&accept.address).logical());
        let told = Box::new(accept.clone());
        inner.offers.push(Offer { id, accept, address, received: Instant::now() });
        drop(inner);
        if first {
            self.wake.notify_one();
        }
        self.emit(ListenerEvent::Offer { id, host, target, accept: told });
    }

    /// A short-form HTTP request waits at `address`.
    pub(super) fn answer_request(self: &Arc<Self>, address: Address) {
        Answers::start(self, Answer { id: 0, address, says: Says::NotImplemented });
    }

    pub(super) fn reject(self: &Arc<Self>, id: u64, address: Address, status: u16, reason: &str) {
        let says = Says::No { status, reason: header_safe(reason) };
        Answers::start(self, Answer { id, address, says });
    }

    /// Supervises to the end: a panic must not leave senders waiting, nor the owner without the last event.
    pub(super) async fn keep_supervising(self: Arc<Self>) {
        while AssertUnwindSafe(self.clone().supervise()).catch_unwind().await.is_err() {
            tokio::time::sleep(SUPERVISOR_REST).await;
        }
    }

    /// Rejects offers that waited too long; ends with the listener.
    async fn supervise(self: Arc<Self>) {
        loop {
            self.expire_offers();
            let (deadline, over) = {
                let inner = self.lock();
                let oldest = inner.offers.oldest().map(|received| received + self.config.accept_timeout);
                let drain = inner.drain_until.filter(|_| inner.offers.len() > 0);
                let over = inner.offers.len() == 0 && inner.channels.iter().all(|channel| channel.ended);
                (oldest.into_iter().chain(drain).min(), over)
            };
            if over {
                break;
            }
            match deadline {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, self.wake.notified()).await;
                }
                None => self.wake.notified().await,
            }
        }
        let now = Instant::now();
        let since = self.lock().drain_until.map_or(now, |until| until.min(now));
        self.answers.finish(since + CLOSE_TIMEOUT).await;
        self.emit(ListenerEvent::Closed);
    }

    /// The one limit on a sender's wait: whoever waits for JavaScript, for its verdict or for its dial, ends here.
    fn expire_offers(self: &Arc<Self>) {
        let now = Instant::now();
        loop {
            let (offer, status, reason) = {
                let mut inner = self.lock();
                let draining_over = inner.drain_until.is_some_and(|until| until <= now);
                let limit =
                    if draining_over { Some(now) } else { now.checked_sub(self.config.accept_timeout) };
                let Some(offer) = limit.and_then(|limit| inner.offers.take_older(limit)) else { return };
                let (status, reason) =
                    if draining_over { (503, "The listener is closing") } else { (504, "Gateway Timeout") };
                (offer, status, reason)
            };
            self.emit(ListenerEvent::OfferExpired { id: offer.id });
            self.reject(offer.id, offer.address, status, reason);
        }
    }
}
