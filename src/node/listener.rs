//! Listeners under slots of the engine: what `lib/listener/handle.js` calls, and where their events go.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use zeroize::Zeroizing;

use super::convert::{self, DeflateOffer, KeepAliveOptions, ProxyOptions, SocketLimits};
use super::engine::NativeEngine;
use super::guard::{attempt, guard};
use super::tls::NativeTlsContext;
use crate::frame::{DeflateOptions, negotiation};
use crate::http::headers::values;
use crate::listener::{
    HostPolicy, KeepAlive, KeepAliveMode, Listener, ListenerConfig, ListenerEvent, ListenerSink,
    ReconnectConfig, Secret, TokenSource,
};
use crate::protocol::address::Address;
use crate::socket::delivery::{Batch, Delivery, Kind};
use crate::socket::{Compression, Opening, SocketOptions};
use crate::transport::NamedProxy;

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

/// What a listener is started with; times in milliseconds, 0 switches off.
#[napi(object, object_to_js = false)]
pub struct ListenOptions {
    pub uri: String,
    pub token: Option<String>,
    pub id: Option<String>,
    pub max_pending: u32,
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

/// A listener, and what the sockets that it accepts have in common.
pub(super) struct Accepting {
    listener: Arc<Listener>,
    options: Arc<SocketOptions>,
    deflate: Option<DeflateOptions>,
    level: u8,
}

/// Puts a listener's events into the delivery queue.
struct Events {
    slot: u32,
    delivery: Arc<Delivery>,
}

impl ListenerSink for Events {
    fn event(&self, event: ListenerEvent) {
        // Nobody in JavaScript looks at these, and senders can make any number of them.
        if matches!(event, ListenerEvent::Request { .. }) {
            return;
        }
        // Senders can make any number of these, too.
        if matches!(event, ListenerEvent::RejectFailed { .. }) && self.delivery.overflows() {
            return;
        }
        // Strings and numbers only: this cannot fail.
        let json = serde_json::to_vec(&event).unwrap_or_default();
        let mut batch = Batch::default();
        batch.push_owned(self.slot, Kind::Listener, 0, json);
        self.delivery.push(&mut batch, None);
    }
}

#[napi]
impl NativeEngine {
    /// Starts a listener under `slot`; its events arrive as records.
    #[napi(catch_unwind)]
    pub fn listen(&mut self, slot: u32, options: ListenOptions) -> Result<()> {
        attempt("listen", || {
            let sockets = Arc::new(convert::socket_options(&options.limits));
            let (deflate, level) = convert::deflate(options.deflate.as_ref());
            let config = self.listener_config(options)?;
            let sink = Arc::new(Events { slot, delivery: self.delivery() });
            let listener =
                Listener::start(config, sink, self.io()).map_err(|error| convert::thrown(&error))?;
            self.put_listener(slot, Accepting { listener, options: sockets, deflate, level });
            Ok(())
        })
    }

    /// Dials the rendezvous of an offer under `socket`. False if the offer is gone.
    #[napi(catch_unwind)]
    pub fn accept_offer(
        &mut self,
        slot: u32,
        offer: f64,
        socket: u32,
        protocol: Option<String>,
        headers: Option<Vec<String>>,
    ) -> Result<bool> {
        attempt("acceptOffer", || self.accept(slot, offer, socket, protocol, headers))
    }

    fn accept(
        &self,
        slot: u32,
        offer: f64,
        socket: u32,
        protocol: Option<String>,
        headers: Option<Vec<String>>,
    ) -> Result<bool> {
        let Some(accepting) = self.accepting(slot) else { return Ok(false) };
        let Accepting { listener, options, deflate, level } = &*accepting;
        let Some(mut rendezvous) = listener.accept(offer as u64) else { return Ok(false) };
        let answer = deflate.and_then(|options| {
            let offer = values(&rendezvous.accept.connect_headers, "sec-websocket-extensions").next()?;
            // An offer that cannot be met is one that is not taken up: the sender goes on without.
            negotiation::answer(offer, &options).ok().flatten()
        });
        let extensions = answer.map(|params| params.to_header());
        let request = rendezvous
            .dial_request(protocol.as_deref(), extensions.as_deref(), &headers.unwrap_or_default())
            .map_err(|error| convert::thrown(&error));
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                listener.reject_prepared(rendezvous, 500, "Internal Server Error");
                return Err(error);
            }
        };
        let opening = Opening {
            request,
            protocols: protocol.into_iter().collect(),
            compression: answer.map(Compression::Answer),
            level: *level,
            tells_head: false,
        };
        self.open(socket, Arc::clone(options), opening);
        Ok(true)
    }

    /// Turns a sender away through the relay.
    #[napi(catch_unwind)]
    pub fn reject_offer(&self, slot: u32, offer: f64, status: u32, reason: String) {
        let status = u16::try_from(status).unwrap_or(500);
        self.with_listener("rejectOffer", slot, |listener| listener.reject(offer as u64, status, &reason));
    }

    /// Answers a `host` event.
    #[napi(catch_unwind)]
    pub fn admit_host(&self, slot: u32, question: f64, admitted: bool) {
        self.with_listener("admitHost", slot, |listener| listener.admit_host(question as u64, admitted));
    }

    /// Answers a `token` event.
    #[napi(catch_unwind)]
    pub fn provide_token(&self, slot: u32, token: String) {
        self.with_listener("provideToken", slot, |listener| listener.provide_token(Ok(token)));
    }

    /// Answers a `token` event with a failure.
    #[napi(catch_unwind)]
    pub fn fail_token(&self, slot: u32, message: String) {
        self.with_listener("failToken", slot, |listener| listener.fail_token(message, false));
    }

    /// Puts a new token to use.
    #[napi(catch_unwind)]
    pub fn update_token(&self, slot: u32, token: String) -> Result<()> {
        let token = Zeroizing::new(token);
        let updated = self.with_listener("updateToken", slot, |listener| listener.update_token(&token));
        updated.unwrap_or(Ok(())).map_err(|error| convert::thrown(&error))
    }

    /// Names the delay of the retry that was announced, in milliseconds.
    #[napi(catch_unwind)]
    pub fn retry_in(&self, slot: u32, channel: u32, delay: f64) {
        let channel = u16::try_from(channel).unwrap_or(u16::MAX);
        let delay = convert::milliseconds(delay);
        self.with_listener("retryIn", slot, |listener| listener.retry_in(channel, delay));
    }

    /// Takes the listener down; its `closed` event says when that is done.
    #[napi(catch_unwind)]
    pub fn close_listener(&self, slot: u32, drain: f64) {
        let drain = convert::milliseconds(drain);
        self.with_listener("closeListener", slot, |listener| listener.close(drain));
    }

    /// The listener's counters as JSON.
    #[napi(catch_unwind)]
    pub fn listener_stats(&self, slot: u32) -> String {
        let stats = self.with_listener("listenerStats", slot, Listener::stats);
        // Numbers only: this cannot fail.
        serde_json::to_string(&stats.unwrap_or_default()).unwrap_or_default()
    }

    /// Frees the slot after the `closed` event.
    #[napi(catch_unwind)]
    pub fn release_listener(&self, slot: u32) {
        guard("releaseListener", || drop(self.take_accepting(slot)));
    }

    /// Does something to a listener, if there is one. Where that panics the listener goes down, and its `closed` event
    /// is one that nobody has asked for.
    fn with_listener<T>(&self, name: &str, slot: u32, act: impl FnOnce(&Listener) -> T) -> Option<T> {
        let listener = Arc::clone(&self.accepting(slot)?.listener);
        let done = guard(name, || act(&listener));
        if done.is_none() {
            listener.close(Duration::ZERO);
        }
        done
    }

    fn listener_config(&self, options: ListenOptions) -> Result<ListenerConfig> {
        let thrown = |error| convert::thrown(&error);
        let mut config = ListenerConfig::new(&options.uri).map_err(thrown)?;
        config.token =
            options.token.map_or(TokenSource::Provider, |token| TokenSource::Fixed(Secret::new(token)));
        config.id = options.id;
        config.max_pending_accepts =
            if options.max_pending == 0 { usize::MAX } else { options.max_pending as usize };
        config.keep_alive = options.keep_alive.as_ref().map_or(
            KeepAlive { interval: Duration::ZERO, timeout: Duration::ZERO, mode: KeepAliveMode::Ping },
            |keep_alive| KeepAlive {
                interval: convert::milliseconds(keep_alive.interval),
                timeout: convert::milliseconds(keep_alive.timeout),
                mode: if keep_alive.pong { KeepAliveMode::Pong } else { KeepAliveMode::Ping },
            },
        );
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
            rules.choose(*secure, host, *port).map(NamedProxy::read).transpose().map_err(thrown)?;
        }
        Ok(config)
    }
}
