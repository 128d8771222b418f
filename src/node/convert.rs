//! From JavaScript's option objects to the core's types.

use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use rustls::ClientConfig;

use crate::error::RelayError;
use crate::frame::{DeflateOptions, WindowBits};
use crate::socket::{KeepAlive, Opening, SocketOptions, Tuning};
use crate::transport::DialRequest;
use crate::transport::proxy::{self, Proxy};
use crate::transport::tls::{self, TlsOptions, TlsVersion};

/// The largest head of an answer to a handshake, in bytes; Node's own limit is a quarter of it.
const MAX_HEAD: usize = 64 * 1024;

/// Switches for tests.
#[napi(object)]
pub struct EngineOptions {
    pub direct_write: bool,
    pub direct_read: bool,
    pub short_io: bool,
}

impl EngineOptions {
    pub(super) fn tuning(&self) -> Tuning {
        Tuning {
            direct_write: self.direct_write,
            direct_read: self.direct_read,
            short_io: self.short_io,
            ..Tuning::default()
        }
    }
}

/// permessage-deflate as `lib/opening.js` writes it: windows are bits, 0 for `false` and 1 for `true`.
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
    pub keep_alive: Option<KeepAliveOptions>,
}

/// Everything about a connection to open.
#[napi(object)]
pub struct DialOptions {
    pub secure: bool,
    pub host: String,
    pub port: u32,
    pub target: String,
    pub head: String,
    pub protocols: Vec<String>,
    pub deflate: Option<DeflateOffer>,
    pub server_name: Option<String>,
    pub tls_context: Option<u32>,
    pub proxy: Option<String>,
    pub handshake_timeout: f64,
    pub limits: SocketLimits,
}

/// TLS settings in PEM and DER.
#[napi(object)]
pub struct TlsContextOptions {
    pub ca: Vec<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub pfx: Option<Buffer>,
    pub passphrase: Option<String>,
    pub reject_unauthorized: bool,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}
