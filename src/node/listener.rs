//! The listener as JavaScript has it, and where its events go.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde::Serialize;
use zeroize::Zeroizing;

use super::body_flow::BodyFlow;
use super::convert::{self, DeflateOffer, KeepAliveOptions, ProxyOptions, SocketLimits};
use super::engine::NativeEngine;
use super::exchange_records;
use super::guard::{attempt, guard};
use super::offer_record;
use super::slots::Slots;
use super::thrown::thrown;
use super::tls::NativeTlsContext;
use crate::frame::{DeflateOptions, negotiation};
use crate::listener::{
    BodyOutlet, BodyWaker, HostPolicy, KeepAlive, Listener, ListenerConfig, ListenerEvent, ListenerSink,
    ListenerStats, ReconnectConfig, SasRule, Secret,
};
use crate::protocol::address::Address;
use crate::socket::delivery::{Batch, Delivery, Kind};
use crate::socket::{Carried, Compression, Opening, SocketOptions};

/// Times in milliseconds.
#[napi(object)]
pub struct ReconnectOptions {
    pub min_delay: f64,
    pub max_delay: f64,
    pub stable_after: f64,
    pub retry_terminal: bool,
    pub owner_delays: bool,
    pub recycle_after: f64,
}

/// A SAS rule, of which the listener makes its tokens.
#[napi(object, object_to_js = false)]
pub struct SasRuleOptions {
    pub key_name: String,
    pub keys: Vec<String>,
    /// Seconds.
    pub lifetime: f64,
}

/// What a listener is started with; times in milliseconds, 0 switches off.
#[napi(object, object_to_js = false)]
pub struct ListenOptions {
    pub uri: String,
    /// Without one, `token` events ask for tokens.
    pub rule: Option<SasRuleOptions>,
    pub id: Option<String>,
    /// Limits; 0 is none.
    pub max_pending: u32,
    pub max_connections: u32,
    pub max_pending_requests: u32,
    pub max_request_bytes: f64,
    pub keep_alive: Option<KeepAliveOptions>,
    pub reconnect: ReconnectOptions,
    pub handshake_timeout: f64,
    pub accept_timeout: f64,
    pub control_channels: u32,
    /// JavaScript decides which hosts are dialled; `host` events ask.
    pub asks_hosts: bool,
    pub tls: Option<Reference<NativeTlsContext>>,
    pub server_name: Option<String>,
    pub proxy: Option<ProxyOptions>,
    /// Of the sockets that it accepts.
    pub limits: SocketLimits,
    /// Whether, and how, those compress.
    pub deflate: Option<DeflateOffer>,
}

/// What `stats()` tells.
#[derive(Default, Serialize)]
struct AllStats {
    #[serde(flatten)]
    listener: ListenerStats,
    #[serde(flatten)]
    sockets: Carried,
}

/// Puts a listener's events into the delivery queue.
struct Events {
    slot: u32,
    delivery: Arc<Delivery>,
}

impl ListenerSink for Events {
    fn event(&self, event: ListenerEvent) {
        let mut batch = Batch::default();
        match &event {
            // Of these senders can make any number.
            ListenerEvent::RejectFailed { .. }
            | ListenerEvent::RequestLost { .. }
            | ListenerEvent::Offer { refused: Some(_), .. }
                if self.delivery.overflows() =>
            {
                return;
            }
            ListenerEvent::Offer { id, host, target, accept, refused } => {
                let record = offer_record::pack(*id, host, target, accept, *refused);
                batch.push_owned(self.slot, Kind::Offer, 0, record);
            }
            ListenerEvent::Request(request) => {
                exchange_records::push_request(&mut batch, self.slot, request);
            }
            ListenerEvent::AnswerSent { number, bytes } => {
                exchange_records::push_sent(&mut batch, self.slot, *number, *bytes);
            }
            ListenerEvent::ExchangeEnd { number, error } => {
                exchange_records::push_end(&mut batch, self.slot, *number, error.as_ref());
            }
            // Strings and numbers only: this cannot fail.
            _ => {
                batch.push_owned(self.slot, Kind::Listener, 0, serde_json::to_vec(&event).unwrap_or_default())
            }
        }
        self.delivery.push(&mut batch, None);
    }

    fn outlet(&self, number: u64, wake: BodyWaker) -> Arc<dyn BodyOutlet> {
        BodyFlow::start(self.slot, number, Arc::clone(&self.delivery), wake)
    }
}

/// A listener, and what the sockets that it accepts have in common. After its `closed` event there is nothing left that
/// its methods could do; its counters stay what they were.
#[napi]
pub struct NativeListener {
    listener: Arc<Listener>,
    slots: Arc<Slots>,
    options: Arc<SocketOptions>,
    deflate: Option<DeflateOptions>,
    level: u8,
}

#[napi]
impl NativeListener {
    /// Starts a listener whose events arrive as records of `slot`.
    #[napi(constructor, catch_unwind)]
    pub fn new(engine: &NativeEngine, slot: u32, options: ListenOptions) -> Result<Self> {
        attempt("listen", || Self::start(engine.slots(), slot, options))
    }

    fn start(slots: Arc<Slots>, slot: u32, options: ListenOptions) -> Result<Self> {
        let sockets = Arc::new(convert::socket_options(&options.limits));
        let (deflate, level) = convert::deflate(options.deflate.as_ref());
        let config = listener_config(options)?;
        let sink = Arc::new(Events { slot, delivery: Arc::clone(&slots.delivery) });
        let listener = Listener::start(config, sink, slots.io.handle()).map_err(|error| thrown(&error))?;
        slots.add_listener(&listener);
        Ok(Self { listener, slots, options: sockets, deflate, level })
    }

    /// Dials the rendezvous of an offer under `socket`. False if the offer is gone.
    #[napi(catch_unwind)]
    pub fn accept(
        &self,
        offer: f64,
        socket: u32,
        protocol: Option<String>,
        headers: Option<Vec<String>>,
    ) -> Result<bool> {
        attempt("acceptOffer", || Ok(self.open(offer, socket, protocol, headers)))
    }

    fn open(&self, offer: f64, socket: u32, protocol: Option<String>, headers: Option<Vec<String>>) -> bool {
        let Some(mut rendezvous) = self.listener.accept(offer as u64) else { return false };
        let answer = self.deflate.and_then(|options| {
            // An offer that cannot be met is one that is not taken up: the sender goes on without.
            negotiation::answer(rendezvous.extensions.as_deref()?, &options).ok().flatten()
        });
        let extensions = answer.map(|params| params.to_header());
        let headers = headers.unwrap_or_default();
        let request = rendezvous.dial_request(protocol.as_deref(), extensions.as_deref(), &headers);
        let pending = rendezvous.pending;
        let opening = Opening {
            request,
            protocols: protocol.into_iter().collect(),
            compression: answer.map(Compression::Answer),
            level: self.level,
            tells_head: false,
            opened: Some(Box::new(|| pending.opened())),
        };
        self.slots.open(socket, Arc::clone(&self.options), opening);
        true
    }

    /// Turns a sender away through the relay. False if the offer is gone.
    #[napi(catch_unwind)]
    pub fn reject(&self, offer: f64, status: u32, reason: String) -> bool {
        let status = u16::try_from(status).unwrap_or(500);
        self.with("rejectOffer", |listener| listener.reject(offer as u64, status, &reason))
            .unwrap_or_default()
    }

    /// The same with 500, for a sender that could not be let in for a fault on this side.
    #[napi(catch_unwind)]
    pub fn fail_offer(&self, offer: f64) {
        self.with("failOffer", |listener| listener.fail(offer as u64));
    }

    /// An open connection has gone, which counts for `maxConnections`.
    #[napi(catch_unwind)]
    pub fn left(&self) {
        self.with("left", Listener::left);
    }

    /// Answers a `host` event.
    #[napi(catch_unwind)]
    pub fn admit_host(&self, question: f64, admitted: bool) {
        self.with("admitHost", |listener| listener.admit_host(question as u64, admitted));
    }

    /// Answers a `token` event.
    #[napi(catch_unwind)]
    pub fn provide_token(&self, token: String) {
        self.with("provideToken", |listener| listener.provide_token(token));
    }

    /// Answers a `token` event with a failure.
    #[napi(catch_unwind)]
    pub fn fail_token(&self, message: String) {
        self.with("failToken", |listener| listener.fail_token(message));
    }

    /// Puts a new token to use.
    #[napi(catch_unwind)]
    pub fn update_token(&self, token: String) -> Result<()> {
        let token = Zeroizing::new(token);
        let updated = self.with("updateToken", |listener| listener.update_token(&token));
        updated.unwrap_or(Ok(())).map_err(|error| thrown(&error))
    }

    /// Names the delay of the retry that was announced, in milliseconds.
    #[napi(catch_unwind)]
    pub fn retry_in(&self, channel: u32, delay: f64) {
        let channel = u16::try_from(channel).unwrap_or(u16::MAX);
        let delay = convert::milliseconds(delay);
        self.with("retryIn", |listener| listener.retry_in(channel, delay));
    }

    /// Takes the listener down, with `drain` once all who are here have been let in or not; its `closed` event says when
    /// that is done.
    #[napi(catch_unwind)]
    pub fn close(&self, drain: bool) {
        self.with("closeListener", |listener| listener.close(drain));
    }

    /// The listener's counters as JSON, and the sums of its sockets that are there.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let stats = self.with("listenerStats", |listener| AllStats {
            listener: listener.stats(),
            sockets: self.slots.carried(&self.options),
        });
        // Numbers only: this cannot fail.
        serde_json::to_string(&stats.unwrap_or_default()).unwrap_or_default()
    }

    /// For whoever lets its senders in by another way.
    pub(super) fn shared(&self) -> Arc<Listener> {
        Arc::clone(&self.listener)
    }

    /// Does something to the listener. Where that panics it goes down, and its `closed` event is one that nobody has asked
    /// for.
    pub(super) fn with<T>(&self, name: &str, act: impl FnOnce(&Listener) -> T) -> Option<T> {
        let done = guard(name, || act(&self.listener));
        if done.is_none() {
            self.listener.close(false);
        }
        done
    }
}

fn listener_config(options: ListenOptions) -> Result<ListenerConfig> {
    let failed = |error| thrown(&error);
    let mut config = ListenerConfig::new(&options.uri).map_err(failed)?;
    config.rule = options.rule.map(|rule| SasRule {
        name: rule.key_name,
        keys: rule.keys.into_iter().map(Secret::new).collect(),
        lifetime: Duration::try_from_secs_f64(rule.lifetime).unwrap_or(Duration::MAX),
        audience: options.uri,
    });
    config.id = options.id;
    let limit = |limit: u32| if limit == 0 { usize::MAX } else { limit as usize };
    config.max_pending_accepts = limit(options.max_pending);
    config.max_connections = limit(options.max_connections);
    config.max_pending_requests = limit(options.max_pending_requests);
    config.max_request_bytes = match options.max_request_bytes {
        0.0 => usize::MAX,
        bytes => bytes as usize,
    };
    config.keep_alive = options.keep_alive.as_ref().map_or(KeepAlive::OFF, convert::keep_alive);
    let reconnect = options.reconnect;
    config.reconnect = ReconnectConfig {
        min_delay: convert::milliseconds(reconnect.min_delay),
        max_delay: convert::milliseconds(reconnect.max_delay),
        stable_after: convert::milliseconds(reconnect.stable_after),
        retry_terminal: reconnect.retry_terminal,
        owner_delays: reconnect.owner_delays,
    };
    config.recycle_after = convert::milliseconds(reconnect.recycle_after);
    config.handshake_timeout = convert::milliseconds(options.handshake_timeout);
    config.accept_timeout = convert::milliseconds(options.accept_timeout);
    config.control_channels = u16::try_from(options.control_channels).unwrap_or(u16::MAX);
    if options.asks_hosts {
        config.rendezvous_hosts = HostPolicy::Owner;
    }
    config.tls = options.tls.map(|context| context.config());
    config.server_name = options.server_name;
    config.proxy = options.proxy.map(convert::proxy_rules);
    // The owner hears at once of a proxy that cannot be used.
    if let Some(rules) = &config.proxy {
        let Address { secure, host, port, .. } = &config.listen;
        rules.proxy_for(*secure, host, *port).map_err(failed)?;
    }
    Ok(config)
}
