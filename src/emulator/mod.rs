//! The service's side of the Hybrid Connections protocol, for development and tests.
//!
//! ```text
//!  mod          start, stop, ask; a thread with a runtime of its own
//!   server      accepts connections, reads request heads
//!    admission  who is let in for what; auth checks tokens
//!     control   a listener's control channel
//!     sender    a sender: offered to a listener, joined by pipe
//!     request   an HTTP request and its response: exchange, and by a rendezvous request_leg and request_pump
//!  namespace    what all of them share; fault: planned misbehaviour; event: what is told and counted
//!  record      what whoever looks on gets to know; record_store keeps it, message_tap and request_tap see what passes,
//!              token_fate and overview are parts of it
//!  entity_path, frames, http, leg_parts, outflow, refusal, stream, written_target    the formats
//! ```
//!
//! Both sides share the formats: frames, control messages, tokens, addresses. What holds them to the protocol are golden
//! vectors, the original hyco-ws, ws and tungstenite. Nothing else of the client comes in here.

pub mod admission;
pub mod auth;
pub mod control;
pub mod entity_path;
pub mod event;
pub mod exchange;
pub mod fault;
pub mod frames;
pub mod http;
pub mod leg_parts;
pub mod message_tap;
pub mod namespace;
pub mod options;
pub mod outflow;
pub mod overview;
pub mod pipe;
pub mod pipe_direction;
pub mod pipe_leg;
pub mod record;
pub mod record_preview;
pub mod record_store;
pub mod refusal;
pub mod request;
pub mod request_leg;
pub mod request_pump;
pub mod request_tap;
pub mod sender;
pub mod server;
pub mod stream;
pub mod token_fate;
pub mod written_target;

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{ErrorKind, RelayError, SystemError, system_code};
use crate::uri::authority::{bare_host, bracketed};
use event::{RelayEvent, RelayStats};
use fault::Fault;
use namespace::{Namespace, Observer};
use options::{EmulatorOptions, HybridConnectionOptions};
use overview::RelayOverview;
use record_store::{RecordLimits, RecordStore, RecordWake};
use refusal::unix_now;

/// How long established connections get to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A running relay. Dropping it stops it without goodbyes.
pub struct RelayEmulator {
    namespace: Arc<Namespace>,
    address: SocketAddr,
    abort: CancellationToken,
}

impl RelayEmulator {
    /// Binds at once and serves on a thread of its own; `observer` is called from that thread.
    ///
    /// # Errors
    /// The address cannot be bound, or the certificate cannot be used.
    pub fn start(options: EmulatorOptions, observer: Observer) -> Result<Self, RelayError> {
        let tls = options.tls.as_ref().map(stream::acceptor).transpose()?;
        let (listener, address) = bind(&options.host, options.port)?;
        // Bound to every address, it is reached through the loopback one.
        let name = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
            _ => bracketed(bare_host(&options.host)).into_owned(),
        };
        let authority = format!("{name}:{}", address.port());
        let namespace = Arc::new(Namespace::new(options, authority, observer));
        let abort = CancellationToken::new();
        let (shared, aborted) = (Arc::clone(&namespace), abort.clone());
        let failed = |error| network(error, "spawn", None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let work = move || {
            runtime.block_on(run(&shared, listener, tls, aborted));
            runtime.shutdown_background();
            shared.emit(&RelayEvent::Closed);
        };
        std::thread::Builder::new().name("hyco-emulator".into()).spawn(work).map_err(failed)?;
        Ok(Self { namespace, address, abort })
    }

    /// What is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port`, the namespace's name.
    pub fn authority(&self) -> &str {
        &self.namespace.authority
    }

    /// Adds or replaces a hybrid connection.
    pub fn add(&self, options: HybridConnectionOptions) {
        self.namespace.add(options);
    }

    /// Removes a hybrid connection; false where there was none.
    pub fn remove(&self, path: &str) -> bool {
        self.namespace.remove(path)
    }

    /// Makes a token for `path`; none where there is no rule `key_name`.
    pub fn token(&self, path: &str, key_name: &str, seconds: i64) -> Option<String> {
        let uri = format!("http://{}/{}", self.authority(), path.trim_start_matches('/'));
        self.namespace.sign(&uri, key_name, unix_now().saturating_add(seconds))
    }

    /// Carries out a fault and says how many connections it struck.
    pub fn inflict(&self, fault: Fault) -> usize {
        self.namespace.inflict(fault)
    }

    /// Records what passes from now on; false where that has begun already.
    pub fn record(&self, limits: RecordLimits, wake: RecordWake) -> bool {
        self.namespace.start_recording(RecordStore::new(limits, wake))
    }

    /// What was recorded, once that has begun.
    pub fn records(&self) -> Option<&Arc<RecordStore>> {
        self.namespace.recorder()
    }

    /// The relay at a glance.
    pub fn overview(&self) -> RelayOverview {
        self.namespace.overview()
    }

    /// A snapshot.
    pub fn stats(&self) -> RelayStats {
        self.namespace.stats()
    }

    /// Begins to stop; `force` without goodbyes. The observer hears [`RelayEvent::Closed`] when all is down.
    pub fn close(&self, force: bool) {
        if force {
            self.abort.cancel();
        }
        self.namespace.closing.cancel();
    }
}

impl Drop for RelayEmulator {
    fn drop(&mut self) {
        self.close(true);
    }
}

async fn run(
    namespace: &Arc<Namespace>,
    listener: TcpListener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    abort: CancellationToken,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let tasks = TaskTracker::new();
    tokio::select! {
        () = abort.cancelled() => return,
        () = server::serve(Arc::clone(namespace), listener, tls, tasks.clone()) => {}
    }
    // Silence and held accepts must not outlast the relay.
    namespace.carry_out(Fault::Clear);
    namespace.end_all();
    tasks.close();
    tokio::select! {
        () = abort.cancelled() => {}
        _ = tokio::time::timeout(GOODBYE, tasks.wait()) => {}
    }
}

fn bind(host: &str, port: u16) -> Result<(TcpListener, SocketAddr), RelayError> {
    let plain = bare_host(host);
    let failed = |error| network(error, "listen", Some((host, port)));
    let addresses = (plain, port).to_socket_addrs().map_err(|error| {
        let unknown = RelayError::new(ErrorKind::Network, format!("The host {host} is not known"));
        let system = SystemError {
            code: "ENOTFOUND".into(),
            errno: None,
            syscall: Some("getaddrinfo"),
            address: None,
            port: None,
            hostname: Some(host.to_owned()),
        };
        unknown.with_system(system).caused_by(error)
    })?;
    let addresses: Vec<_> = addresses.collect();
    let listener = TcpListener::bind(addresses.as_slice()).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn network(error: std::io::Error, syscall: &'static str, address: Option<(&str, u16)>) -> RelayError {
    let code = system_code(&error);
    let place = address.map(|(host, port)| format!(" {host}:{port}")).unwrap_or_default();
    let system = SystemError {
        code: code.into(),
        errno: error.raw_os_error().map(|number| -number),
        syscall: Some(syscall),
        address: address.map(|(host, _)| host.to_owned()),
        port: address.map(|(_, port)| port),
        hostname: None,
    };
    RelayError::new(ErrorKind::Network, format!("{syscall} {code}{place}"))
        .with_system(system)
        .caused_by(error)
}

#[cfg(test)]
mod tests;
