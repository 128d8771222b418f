//! From JavaScript's option objects to the core's types.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use zeroize::Zeroizing;

use super::thrown::thrown;
use super::tls::NativeTlsContext;
use crate::error::{ErrorKind, RelayError};
use crate::frame::negotiation;
use crate::frame::{DeflateOptions, WindowBits, most_held};
use crate::http::HeaderLines;
use crate::keep_alive::{KeepAlive, KeepAliveMode};
use crate::socket::{Assembling, Compression, Opening, SocketOptions, Tuning};
use crate::transport::{DialRequest, NamedProxy, ProxyRules};

/// The header that makes an offer of permessage-deflate.
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Switches for tests.
#[napi(object)]
pub struct EngineOptions {
    pub direct_write: bool,
    pub direct_read: bool,
    pub spin: bool,
    pub short_io: bool,
}

impl EngineOptions {
    pub(super) fn tuning(&self) -> Tuning {
        Tuning {
            direct_write: self.direct_write,
            direct_read: self.direct_read,
            spin: self.spin,
            short_io: self.short_io,
            ..Tuning::default()
        }
    }
}

/// permessage-deflate as `lib/socket/dial.js` writes it: windows are bits, 0 for `false` and 1 for `true`.
#[napi(object)]
pub struct DeflateOffer {
    pub server_no_context_takeover: Option<bool>,
    pub client_no_context_takeover: Option<bool>,
    pub server_max_window_bits: Option<u32>,
    pub client_max_window_bits: Option<u32>,
    pub level: Option<i32>,
}

/// Times in milliseconds.
#[napi(object)]
pub struct KeepAliveOptions {
    pub interval: f64,
    pub timeout: f64,
    pub pong: bool,
}

/// The limits of one socket.
#[napi(object)]
pub struct SocketLimits {
    pub max_payload: u32,
    pub max_fragments: u32,
    pub skip_utf8: bool,
    pub high_water: f64,
    pub max_backlog: f64,
    /// Over all sockets that get these limits; nothing or 0 for no limit.
    pub max_assembling: Option<f64>,
    pub keep_alive: Option<KeepAliveOptions>,
}

/// A proxy's URL, and what the user knows it by.
#[napi(object)]
pub struct ProxyUrl {
    pub name: String,
    pub url: String,
}

/// Which proxies there are: for `ws:`, for `wss:`, for both where there is no other, and what needs none.
#[napi(object)]
pub struct ProxyOptions {
    pub http: Option<ProxyUrl>,
    pub https: Option<ProxyUrl>,
    pub all: Option<ProxyUrl>,
    pub no: String,
}

/// Everything about a connection to open.
#[napi(object, object_to_js = false)]
pub struct DialOptions {
    pub secure: bool,
    pub host: String,
    pub port: u32,
    pub target: String,
    /// Names and values in turn.
    pub headers: Vec<String>,
    pub protocols: Vec<String>,
    pub deflate: Option<DeflateOffer>,
    pub server_name: Option<String>,
    pub tls: Option<Reference<NativeTlsContext>>,
    pub proxy: Option<ProxyOptions>,
    pub handshake_timeout: f64,
    pub limits: SocketLimits,
}

/// What `dial()` was asked for, in the core's terms, and the offer of permessage-deflate that was added.
pub(super) fn opening(options: DialOptions) -> Result<(Opening, SocketOptions, Option<String>)> {
    let limits = socket_options(&options.limits);
    let (deflate, level) = deflate(options.deflate.as_ref());
    let headers = Zeroizing::new(options.headers);
    let (mut head, mut offer) = (HeaderLines::default(), None);
    for line in headers.chunks(2) {
        let (name, value) = (&line[0], line.get(1).map_or("", String::as_str));
        match &deflate {
            // The offer is ours to write, in its place among the headers.
            Some(options) if value.is_empty() && name.eq_ignore_ascii_case(EXTENSIONS) => {
                head.push(name, offer.insert(negotiation::offer(options)));
            }
            _ => head.push(name, value),
        }
    }
    let request = DialRequest {
        secure: options.secure,
        host: options.host,
        port: u16::try_from(options.port).map_err(|_| invalid("The port is out of range"))?,
        target: options.target.into(),
        head,
        tls: options.tls.map(|context| context.config()),
        server_name: options.server_name,
        proxy: options.proxy.map(proxy_rules),
        admission: None,
        handshake_timeout: limit(options.handshake_timeout),
    };
    // The program hears at once of a proxy that cannot be used.
    request.proxy().map_err(|error| thrown(&error))?;
    Ok((
        Opening {
            request,
            protocols: options.protocols,
            compression: deflate.map(Compression::Offer),
            level,
            tells_head: true,
            opened: None,
        },
        limits,
        offer,
    ))
}

/// An offer of permessage-deflate and the level to compress at, in the core's terms.
pub(super) fn deflate(offer: Option<&DeflateOffer>) -> (Option<DeflateOptions>, u8) {
    let options = offer.map(|offer| DeflateOptions {
        server_no_context_takeover: offer.server_no_context_takeover,
        client_no_context_takeover: offer.client_no_context_takeover,
        server_max_window_bits: window(offer.server_max_window_bits),
        client_max_window_bits: window(offer.client_max_window_bits),
    });
    let level = offer.and_then(|offer| offer.level).and_then(|level| u8::try_from(level).ok());
    // What is no level means the default one.
    (options, level.unwrap_or(u8::MAX))
}

/// A socket's limits in the core's terms.
pub(super) fn socket_options(limits: &SocketLimits) -> SocketOptions {
    SocketOptions {
        max_payload: u64::from(limits.max_payload),
        max_fragments: limits.max_fragments,
        skip_utf8: limits.skip_utf8,
        high_water: limits.high_water.max(1.0) as usize,
        max_backlog: limits.max_backlog.max(0.0) as usize,
        assembling: assembling(limits),
        keep_alive: limits.keep_alive.as_ref().map(socket_keep_alive),
    }
}

/// How an idle socket or stream is kept alive, in the core's terms.
pub(super) fn socket_keep_alive(options: &KeepAliveOptions) -> KeepAlive {
    let given = keep_alive(options);
    KeepAlive { interval: given.interval.max(Duration::from_millis(1)), ..given }
}

/// How an idle connection is kept alive, in the core's terms.
pub(super) fn keep_alive(options: &KeepAliveOptions) -> KeepAlive {
    KeepAlive {
        interval: milliseconds(options.interval),
        timeout: milliseconds(options.timeout),
        mode: if options.pong { KeepAliveMode::Pong } else { KeepAliveMode::Ping },
    }
}

/// One message of the longest kind has room in any case.
fn assembling(limits: &SocketLimits) -> Option<Arc<Assembling>> {
    let most = limits.max_assembling.filter(|most| *most > 0.0)?;
    let one = most_held(limits.max_payload.into(), limits.max_fragments);
    Some(Arc::new(Assembling::new(usize::try_from(one).unwrap_or(usize::MAX).max(most as usize))))
}

/// Which proxy a destination needs, in the core's terms.
pub(super) fn proxy_rules(options: ProxyOptions) -> Arc<ProxyRules> {
    let named = |proxy: ProxyUrl| NamedProxy { name: proxy.name, url: proxy.url };
    let ProxyOptions { http, https, all, no } = options;
    Arc::new(ProxyRules { http: http.map(named), https: https.map(named), all: all.map(named), no })
}

pub(super) fn invalid(text: &str) -> Error {
    thrown(&RelayError::new(ErrorKind::InvalidArgument, text))
}

fn window(bits: Option<u32>) -> WindowBits {
    match bits {
        None => WindowBits::Unset,
        Some(0) => WindowBits::Refuse,
        Some(1) => WindowBits::Any,
        Some(bits) => WindowBits::Bits(bits.min(15) as u8),
    }
}

/// Zero switches a time limit off.
fn limit(milliseconds: f64) -> Option<Duration> {
    (milliseconds > 0.0).then(|| self::milliseconds(milliseconds))
}

/// A time as JavaScript gives it; what is no sensible time becomes the nearest that is.
pub(super) fn milliseconds(value: f64) -> Duration {
    const LONGEST: f64 = 10.0 * 365.0 * 86_400_000.0;
    Duration::from_secs_f64(if value.is_nan() { 0.0 } else { value.clamp(0.0, LONGEST) } / 1000.0)
}
