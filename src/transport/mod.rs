//! Opens one WebSocket handshake: TCP, proxy, TLS, HTTP; then hands over the raw stream.
//!
//! Nothing here runs in the background: an attempt that is dropped is gone, with its sockets.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, RelayError};
use crate::http::{HeaderLines, ResponseHead};

pub mod body;
pub mod handshake;
pub mod proxy;
mod stream;
pub mod tcp;
pub mod tls;

pub use handshake::{Negotiated, check_upgrade};
pub use proxy::{NamedProxy, Proxy, ProxyRules};
pub use stream::DialledStream;
pub use tls::{TlsOptions, TlsVersion, client_config};

/// The limit of a response head in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// One opening handshake to perform: of a sender's socket, a rendezvous, a rejection or a control channel.
pub struct DialRequest {
    /// `wss:`, which needs `tls`.
    pub secure: bool,
    /// Name, or IP literal without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query, which may hold a token.
    pub target: Zeroizing<String>,
    /// The header lines: all but `Sec-WebSocket-Key`, which the dial adds.
    pub head: HeaderLines,
    /// Shared by all requests of the same trust, so that sessions are resumed.
    pub tls: Option<Arc<ClientConfig>>,
    /// The name to ask for and to verify; the host where it is not given or empty.
    pub server_name: Option<String>,
    /// Which proxy to go through, if any.
    pub proxy: Option<Arc<ProxyRules>>,
    /// Word on whether this host may be dialled at all; `None`: it may.
    pub admission: Option<oneshot::Receiver<Result<(), RelayError>>>,
    /// One deadline for everything from the admission to the response head.
    pub handshake_timeout: Option<Duration>,
}

impl DialRequest {
    /// The proxy that this destination needs, if any.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if it cannot be used.
    pub fn proxy(&self) -> Result<Option<Proxy>, RelayError> {
        let Some(rules) = &self.proxy else { return Ok(None) };
        rules.proxy_for(self.secure, &self.host, self.port)
    }
}

impl fmt::Debug for DialRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target and the headers hold tokens.
        f.debug_struct("DialRequest")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("server_name", &self.server_name)
            .field("proxy", &self.proxy)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish_non_exhaustive()
    }
}

/// A handshake that got its answer, whatever the status.
#[derive(Debug)]
pub struct Opened {
    /// The connection, just behind the response head.
    pub stream: DialledStream,
    /// The answer; 101 is for [`check_upgrade`], anything else for the caller to judge.
    pub response: ResponseHead,
    /// What arrived together with the head.
    pub leftover: Vec<u8>,
    /// The `Sec-WebSocket-Key` that was sent.
    pub key: String,
}

/// Connects, sends the request and reads the response head. A request is good for one dial: its head gets the key.
///
/// # Errors
/// [`ErrorKind::Network`], [`ErrorKind::Proxy`], [`ErrorKind::Tls`], [`ErrorKind::Handshake`] by phase,
/// [`ErrorKind::Timeout`] when the deadline passes, [`ErrorKind::InvalidArgument`] for a request that cannot
/// be sent. No error repeats the target, the headers or the proxy's credentials.
pub async fn open(request: &mut DialRequest) -> Result<Opened, RelayError> {
    let limit = request.handshake_timeout;
    // Boxed phase by phase: a listener keeps many of these, and the TLS and proxy states are large.
    let result = within(limit, Box::pin(attempt(request))).await;
    if let Err(error) = &result {
        tracing::debug!(host = request.host, code = error.kind.code(), "dial failed");
    }
    result
}

/// Gives up a part of the opening handshake after `limit`.
///
/// # Errors
/// [`ErrorKind::Timeout`], and those of `work`.
pub async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, RelayError>>,
) -> Result<T, RelayError> {
    let Some(limit) = limit else { return work.await };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(RelayError::new(ErrorKind::Timeout, "Opening handshake has timed out")))
}

async fn attempt(request: &mut DialRequest) -> Result<Opened, RelayError> {
    if let Some(admission) = request.admission.take() {
        // Whoever goes away without an answer has not said yes.
        let lost = |_| Err(RelayError::new(ErrorKind::Aborted, "Nobody decided whether to dial"));
        admission.await.unwrap_or_else(lost)?;
    }
    // What is wrong with the request is said before anything is dialled.
    let key = handshake::new_key();
    let bytes = handshake::request(&request.target, &mut request.head, &key)?;
    let config = match (&request.tls, request.secure) {
        (Some(config), true) => Some(config.clone()),
        (None, true) => {
            return Err(RelayError::new(
                ErrorKind::InvalidArgument,
                "A secure connection needs a TLS configuration",
            ));
        }
        (_, false) => None,
    };
    let (host, port, secure) = (&*request.host, request.port, request.secure);
    let proxy = request.proxy()?;
    tracing::debug!(host, port, secure, proxy = proxy.is_some(), "dialling");
    let tcp = match &proxy {
        Some(proxy) => Box::pin(proxy::connect(proxy, host, port)).await?,
        None => Box::pin(tcp::connect(host, port)).await?,
    };
    tracing::debug!(host, "connected");
    let mut stream = match config {
        Some(config) => {
            let name =
                request.server_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&request.host);
            let stream = Box::pin(tls::connect(config, name, tcp)).await?;
            tracing::debug!(host, kind = ?stream.handshake_kind(), "TLS is up");
            DialledStream::Tls(Box::new(stream))
        }
        None => DialledStream::Plain(tcp),
    };
    let (response, leftover) = Box::pin(handshake::exchange(&mut stream, &bytes, MAX_HEAD)).await?;
    tracing::debug!(host, status = response.status, "answered");
    Ok(Opened { stream, response, leftover, key })
}

#[cfg(test)]
mod tests;
