//! Byte streams as JavaScript has them: it hears of their beginning and their end, and asks for figures.

use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;

use super::convert::{self, DialOptions, KeepAliveOptions, invalid};
use super::engine::NativeEngine;
use super::guard::{attempt, guard};
use super::listener::NativeListener;
use super::slots::Slots;
use crate::forward::{
    AdmittedSender, ForwardEvent, ForwardOptions, ForwardSink, LocalForwarder, RemoteForwarder, StreamRoutes,
    StreamTarget,
};
use crate::socket::delivery::{Delivery, Kind};

/// A host with a port, or a path.
#[napi(object)]
pub struct StreamPlace {
    pub host: Option<String>,
    pub port: Option<u32>,
    pub path: Option<String>,
    /// The address of this machine from which it is dialled.
    pub local_address: Option<String>,
}

/// What streams have in common; times in milliseconds.
#[napi(object)]
pub struct StreamOptions {
    pub connect_timeout: f64,
    pub preamble_timeout: f64,
    pub keep_alive: Option<KeepAliveOptions>,
}

/// Where the streams of a listener lead: `names` with their `places`, and `target` for all others.
#[napi(object)]
pub struct RouteOptions {
    /// azbridge's preamble says which one.
    pub preamble: bool,
    pub target: Option<StreamPlace>,
    pub names: Vec<String>,
    pub places: Vec<StreamPlace>,
}

/// Puts a forwarder's events into the delivery queue.
struct StreamEvents {
    slot: u32,
    delivery: Arc<Delivery>,
}

impl ForwardSink for StreamEvents {
    fn forwarded(&self, event: ForwardEvent) {
        // Strings and numbers only: this cannot fail.
        let json = serde_json::to_vec(&event).unwrap_or_default();
        self.delivery.push_one(|batch| batch.push_owned(self.slot, Kind::Listener, 0, json));
    }
}

/// The streams of a listener. `closed` is the last of its events.
#[napi]
pub struct NativeRemoteStreams {
    forwarder: RemoteForwarder,
}

#[napi]
impl NativeRemoteStreams {
    #[napi(constructor, catch_unwind)]
    pub fn new(
        engine: &NativeEngine,
        slot: u32,
        routes: RouteOptions,
        options: StreamOptions,
    ) -> Result<Self> {
        attempt("newRemoteStreams", || {
            let slots = engine.slots();
            let (sink, options) = (events(&slots, slot), stream_options(&slots, &options));
            Ok(Self {
                forwarder: RemoteForwarder::new(stream_routes(routes)?, options, sink, slots.io.handle()),
            })
        })
    }

    /// Makes a stream of an offer, under its number. False where none are made any more.
    #[napi(catch_unwind)]
    pub fn accept(
        &self,
        listener: &NativeListener,
        offer: f64,
        protocol: Option<String>,
        headers: Vec<String>,
    ) -> Result<bool> {
        attempt("acceptStream", || {
            let sender = AdmittedSender { offer: offer as u64, protocol, headers };
            Ok(self.forwarder.accept(listener.shared(), sender))
        })
    }

    /// Ends a stream.
    #[napi(catch_unwind)]
    pub fn cut(&self, stream: f64) {
        self.with("cutRemoteStream", |forwarder| forwarder.cut(stream as u64));
    }

    /// Makes no more streams; unless they may finish, ends those that are here.
    #[napi(catch_unwind)]
    pub fn close(&self, drain: bool) {
        self.with("closeRemoteStreams", |forwarder| forwarder.close(drain));
    }

    /// The counters as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let stats = self.with("remoteStreamStats", RemoteForwarder::stats);
        serde_json::to_string(&stats.unwrap_or_default()).unwrap_or_default()
    }

    /// Does something to the forwarder. Where that panics it ends, and its last event is one that nobody has asked for.
    fn with<T>(&self, name: &str, act: impl FnOnce(&RemoteForwarder) -> T) -> Option<T> {
        let done = guard(name, || act(&self.forwarder));
        if done.is_none() {
            self.forwarder.close(false);
        }
        done
    }
}

/// A local port whose clients become streams. `closed` is the last of its events.
#[napi]
pub struct NativeLocalStreams {
    forwarder: LocalForwarder,
}

#[napi]
impl NativeLocalStreams {
    /// For `most` clients at once.
    #[napi(constructor, catch_unwind)]
    pub fn new(engine: &NativeEngine, slot: u32, most: u32, options: StreamOptions) -> Result<Self> {
        attempt("newLocalStreams", || {
            let slots = engine.slots();
            let (sink, options) = (events(&slots, slot), stream_options(&slots, &options));
            Ok(Self { forwarder: LocalForwarder::new(options, most as usize, sink, slots.io.handle()) })
        })
    }

    /// Binds; an event tells how it went.
    #[napi(catch_unwind)]
    pub fn listen(&self, place: StreamPlace) -> Result<()> {
        attempt("listenLocally", || {
            self.forwarder.listen(stream_place(place)?);
            Ok(())
        })
    }

    /// Dials for a client, and asks by azbridge's preamble for `name`. False where it is gone.
    #[napi(catch_unwind)]
    pub fn dial(&self, client: f64, options: DialOptions, name: Option<String>) -> Result<bool> {
        attempt("dialForClient", || {
            let (opening, ..) = convert::opening(options)?;
            Ok(self.forwarder.dial(client as u64, opening.request, name))
        })
    }

    /// Turns a client away.
    #[napi(catch_unwind)]
    pub fn refuse(&self, client: f64) {
        self.with("refuseClient", |forwarder| forwarder.refuse(client as u64));
    }

    /// Lets nobody in any more; unless they may finish, ends the streams that are here.
    #[napi(catch_unwind)]
    pub fn close(&self, drain: bool) {
        self.with("closeLocalStreams", |forwarder| forwarder.close(drain));
    }

    /// The counters as JSON.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        let stats = self.with("localStreamStats", LocalForwarder::stats);
        serde_json::to_string(&stats.unwrap_or_default()).unwrap_or_default()
    }

    /// As for the other end.
    fn with<T>(&self, name: &str, act: impl FnOnce(&LocalForwarder) -> T) -> Option<T> {
        let done = guard(name, || act(&self.forwarder));
        if done.is_none() {
            self.forwarder.close(false);
        }
        done
    }
}

fn events(slots: &Slots, slot: u32) -> Arc<StreamEvents> {
    Arc::new(StreamEvents { slot, delivery: Arc::clone(&slots.delivery) })
}

fn stream_options(slots: &Slots, options: &StreamOptions) -> ForwardOptions {
    ForwardOptions {
        connect_timeout: convert::milliseconds(options.connect_timeout),
        preamble_timeout: convert::milliseconds(options.preamble_timeout),
        keep_alive: options.keep_alive.as_ref().map(convert::socket_keep_alive),
        tuning: slots.tuning,
    }
}

fn stream_routes(routes: RouteOptions) -> Result<StreamRoutes> {
    let target = routes.target.map(stream_place).transpose()?;
    if routes.preamble {
        let places = routes.places.into_iter().map(stream_place);
        let names = routes.names.into_iter().zip(places).map(|(name, place)| Ok((name, place?)));
        return Ok(StreamRoutes::Named { names: names.collect::<Result<_>>()?, numbers: target });
    }
    target.map(StreamRoutes::One).ok_or_else(|| invalid("There is no target"))
}

fn stream_place(place: StreamPlace) -> Result<StreamTarget> {
    match place {
        StreamPlace { path: None, host, port: Some(port), local_address } => {
            let port = u16::try_from(port).map_err(|_| invalid("The port is out of range"))?;
            let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
            let Some(from) = local_address else { return Ok(StreamTarget::Tcp(host, port)) };
            let from = from.parse().map_err(|_| invalid("The local address is no IP address"))?;
            Ok(StreamTarget::TcpFrom(from, host, port))
        }
        #[cfg(unix)]
        StreamPlace { path: Some(path), .. } => Ok(StreamTarget::Unix(path.into())),
        #[cfg(not(unix))]
        StreamPlace { path: Some(_), .. } => Err(invalid("There are no unix sockets on this platform")),
        _ => Err(invalid("A place is a host with a port, or a path")),
    }
}
