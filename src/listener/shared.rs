//! What the handle and the channels of one listener share, and the task that supervises it.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::answers::Answers;
use super::config::{CLOSE_TIMEOUT, ListenerConfig, Secret, TOKEN_TIMEOUT};
use super::dialer::{Dialer, NetworkDialer};
use super::events::{ListenerEvent, ListenerSink, ListenerState};
use super::machine::{ChannelInput, MachineConfig};
use super::offers::{Offers, Refused};
use super::requests::{ChannelOrder, Requests, Tickets};
use super::stats::{CountingSink, ListenerStats};
use super::tokens::{self, Broker, Signer};
use crate::error::RelayError;
use crate::protocol::address::Address;
use crate::protocol::control::Accept;
use crate::protocol::target::RequestTarget;
use crate::sync::lock;

/// Pause of a supervisor that panicked.
const SUPERVISOR_REST: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    pub(super) config: ListenerConfig,
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) network: Arc<NetworkDialer>,
    pub(super) sink: Arc<CountingSink>,
    pub(super) offers: Arc<Offers>,
    pub(super) answers: Arc<Answers>,
    pub(super) requests: Requests,
    tickets: Arc<Tickets>,
    /// Wakes the supervisor.
    changed: Arc<Notify>,
    inner: Mutex<Inner>,
}

/// Never locked while an event is emitted: the sink may call back.
struct Inner {
    broker: Broker,
    /// In the broker's place, where the tokens are our own.
    signer: Option<Signer>,
    channels: Vec<Channel>,
    /// Since when the channels are being taken down.
    closing_since: Option<Instant>,
    closed: bool,
}

#[derive(Default, Clone, Copy)]
struct Channel {
    online: bool,
    rtt: Option<Duration>,
    ended: bool,
}

impl Shared {
    pub(super) fn new(
        config: ListenerConfig,
        sink: Arc<dyn ListenerSink>,
        dialer: Arc<dyn Dialer>,
        runtime: Handle,
        inputs: Vec<UnboundedSender<ChannelOrder>>,
    ) -> Self {
        let inner = Inner {
            broker: Broker::default(),
            signer: Signer::new(&config),
            channels: vec![Channel::default(); inputs.len()],
            closing_since: None,
            closed: false,
        };
        let sink = Arc::new(CountingSink::new(sink));
        let changed = Arc::new(Notify::new());
        let tickets = Tickets::new(&config, inputs, changed.clone());
        let answers = Arc::new(Answers::new(&config, dialer.clone(), sink.clone(), runtime));
        Self {
            network: Arc::new(NetworkDialer::new(&config)),
            offers: Arc::new(Offers::new(&config, sink.clone(), changed.clone())),
            requests: Requests::new(&config, dialer.clone(), answers.clone(), sink.clone(), tickets.clone()),
            answers,
            dialer,
            sink,
            tickets,
            changed,
            inner: Mutex::new(inner),
            config,
        }
    }

    /// What a channel starts with, at first and after a panic.
    pub(super) fn machine_config(&self, channel: u16) -> MachineConfig {
        let config = &self.config;
        MachineConfig {
            channel,
            keep_alive: config.keep_alive,
            reconnect: config.reconnect.clone(),
            handshake_timeout: config.handshake_timeout,
            recycle_after: config.recycle_after,
            listen: config.listen.clone(),
            hosts: config.rendezvous_hosts,
            channels: config.control_channels,
        }
    }

    pub(super) fn tell(&self, channel: u16, input: ChannelInput<'static>) {
        // A channel that has ended needs to be told nothing.
        let _ = self.tickets.tell(channel, ChannelOrder::Input(input));
    }

    fn tell_all(&self, input: impl Fn() -> ChannelInput<'static>) {
        for channel in 0..self.config.control_channels {
            self.tell(channel, input());
        }
    }

    pub(super) fn set_state(&self, channel: u16, state: ListenerState, rtt: Option<Duration>) {
        if let Some(channel) = lock(&self.inner).channels.get_mut(usize::from(channel)) {
            channel.online = state == ListenerState::Online;
            channel.rtt = rtt;
        }
    }

    pub(super) fn channel_ended(&self, channel: u16) {
        if let Some(channel) = lock(&self.inner).channels.get_mut(usize::from(channel)) {
            *channel = Channel { online: false, rtt: channel.rtt, ended: true };
        }
        self.changed.notify_one();
    }

    pub(super) fn request_token(&self, channel: u16, refresh: bool) {
        let mut inner = lock(&self.inner);
        if let Some(signer) = &mut inner.signer {
            let signed = signer.sign(channel, refresh);
            drop(inner);
            // It counts as if the owner had been asked.
            self.sink.counters.count(&ListenerEvent::Token);
            return self.signed(channel, signed);
        }
        let event = inner.broker.request(Instant::now(), TOKEN_TIMEOUT, (channel, refresh));
        drop(inner);
        if let Some(event) = event {
            self.sink.emit(event);
        }
    }

    fn signed(&self, channel: u16, signed: Result<Secret, RelayError>) {
        let input = match signed {
            Ok(value) => {
                let expires_in = tokens::life_of(value.expose());
                ChannelInput::Token { value, expires_in }
            }
            Err(error) => {
                self.sink.emit(ListenerEvent::TokenFailed { error: error.clone() });
                ChannelInput::TokenFailed(error)
            }
        };
        self.tell(channel, input);
    }

    /// Hands the provider's answer to the channels that wait for it.
    pub(super) fn token(&self, answer: &Result<(Secret, Option<Duration>), RelayError>) {
        let (channels, event) = lock(&self.inner).broker.answer(Instant::now());
        for channel in channels {
            let input = match answer.clone() {
                Ok((value, expires_in)) => ChannelInput::Token { value, expires_in },
                Err(error) => ChannelInput::TokenFailed(error),
            };
            self.tell(channel, input);
        }
        if let Some(event) = event {
            self.sink.emit(event);
        }
    }

    pub(super) fn update_token(&self, value: Secret) {
        let expires_in = tokens::life_of(value.expose());
        self.tell_all(|| ChannelInput::UpdateToken { value: value.clone(), expires_in });
    }

    /// A sender waits: pass it on, or say no where there is no room.
    pub(super) fn offer(&self, accept: Accept, address: Address) {
        let (host, target) = (address.host_header(), RequestTarget::of_address(&accept.address).logical());
        let (id, refused) = match self.offers.receive(&accept, address) {
            Ok(id) => (id, None),
            Err(Refused { id, address, told }) => {
                self.answers.reject(id, address, 503, reason_of(503));
                if !told {
                    return;
                }
                (id, Some(503))
            }
        };
        self.sink.emit(ListenerEvent::Offer { id, host, target, accept: Box::new(accept), refused });
    }

    /// Takes the channels down.
    pub(super) fn close_channels(&self) {
        let mut inner = lock(&self.inner);
        if inner.closing_since.is_none() {
            inner.closing_since = Some(Instant::now());
            drop(inner);
            self.tell_all(|| ChannelInput::Close);
        }
    }

    /// Supervises to the end: a panic must not leave senders waiting, nor the owner without the last event.
    pub(super) async fn keep_supervising(self: Arc<Self>) {
        while AssertUnwindSafe(self.supervise()).catch_unwind().await.is_err() {
            tokio::time::sleep(SUPERVISOR_REST).await;
        }
    }

    /// Turns away who has waited too long; ends with the listener.
    async fn supervise(&self) {
        loop {
            while let Some((offer, status)) = self.offers.overdue(Instant::now()) {
                self.sink.emit(ListenerEvent::TurnedAway { id: offer.id, status });
                self.answers.reject(offer.id, offer.address, status, reason_of(status));
            }
            self.requests.run_timers(Instant::now());
            if self.offers.is_drained() && self.requests.is_drained() {
                self.close_channels();
            }
            let offers = self.offers.deadline();
            let deadline = [offers, self.requests.deadline()].into_iter().flatten().min();
            if offers.is_none() && lock(&self.inner).channels.iter().all(|channel| channel.ended) {
                break;
            }
            match deadline {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, self.changed.notified()).await;
                }
                None => self.changed.notified().await,
            }
        }
        let since = lock(&self.inner).closing_since.unwrap_or_else(Instant::now);
        self.answers.finish(since + CLOSE_TIMEOUT).await;
        lock(&self.inner).closed = true;
        self.sink.emit(ListenerEvent::Closed);
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.inner).closed
    }

    pub(super) fn stats(&self) -> ListenerStats {
        let (pending, accept_latency) = self.offers.numbers();
        let (requests_pending, answer_latency) = self.requests.numbers();
        let inner = lock(&self.inner);
        let online = inner.channels.iter().filter(|channel| channel.online).count();
        let rtt = inner.channels.iter().filter_map(|channel| channel.rtt).max();
        ListenerStats {
            online: online as u64,
            pending: pending as u64,
            rtt: rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            accept_latency,
            requests_pending: requests_pending as u64,
            answer_latency,
            ..self.sink.counters.snapshot()
        }
    }
}

/// What a sender reads beside the status of the listener's own refusals.
fn reason_of(status: u16) -> &'static str {
    if status == 504 { "Gateway Timeout" } else { "Service Unavailable" }
}
