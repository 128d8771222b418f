//! Opens the sockets of a listener: its control channels, its rejections, its short-form requests.
//!
//! A trait stands between the listener and the network, so that tests put an in-memory relay in its place.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::config::{ListenerConfig, MAX_TEXT, Secret};
use crate::error::{ErrorKind, RelayError};
use crate::http::HeaderLines;
use crate::http::headers::joined;
use crate::protocol::accept::{handshake_head, without_parameter};
use crate::protocol::address::Address;
use crate::transport::{self, DialRequest, ProxyRules};

/// Longest message in bytes that a control channel reads at all; what is over `control::MAX_MESSAGE` is not parsed.
const MAX_SOCKET_MESSAGE: usize = 1024 * 1024;
/// What a control channel reads at once: not much, for a listener may have 25 of them.
const READ_BUFFER: usize = 16 * 1024;
/// What is written waits for so much more, or for the end of the turn: answers leave together.
const WRITE_BUFFER: usize = 64 * 1024;

/// What every connection of a listener is read from and written to.
pub trait AsyncIo: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> AsyncIo for T {}

/// An opened connection, just behind the 101.
pub struct Dialed {
    /// The connection.
    pub io: Box<dyn AsyncIo>,
    /// What arrived together with the response head.
    pub leftover: Vec<u8>,
}

/// A control socket.
pub type ControlWebSocket = WebSocketStream<Box<dyn AsyncIo>>;

impl Dialed {
    /// Wraps the connection in tungstenite, with limits that suit control messages.
    pub async fn into_socket(self) -> ControlWebSocket {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MAX_SOCKET_MESSAGE))
            .max_frame_size(Some(MAX_SOCKET_MESSAGE));
        WebSocketStream::from_partially_read(self.io, self.leftover, Role::Client, Some(config)).await
    }
}

/// A dial that was refused or failed.
#[derive(Debug, Clone)]
pub struct DialFailure {
    /// Why; `status` is set if the relay answered.
    pub error: RelayError,
    /// The response's `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl From<RelayError> for DialFailure {
    fn from(error: RelayError) -> Self {
        Self { error, retry_after: None }
    }
}

/// The result of a dial, to come.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Dialed, DialFailure>> + Send>>;

/// Performs handshakes.
pub trait Dialer: Send + Sync + 'static {
    /// Starts one; dropping the future abandons it.
    fn dial(&self, request: DialRequest) -> Dialing;
}

/// The real thing: TCP, proxy, TLS, HTTP.
pub struct NetworkDialer {
    listen_host: String,
    server_name: Option<String>,
    tls: Option<Arc<rustls::ClientConfig>>,
    proxy: Option<Arc<ProxyRules>>,
}

impl NetworkDialer {
    /// A dialer with the listener's TLS and proxies.
    pub fn new(config: &ListenerConfig) -> Self {
        Self {
            listen_host: config.listen.host.clone(),
            server_name: config.server_name.clone(),
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
        }
    }

    /// The same request in the way that the listener's connections take.
    pub(super) fn complete(&self, request: DialRequest) -> DialRequest {
        // A name that the owner chose is for the listen host; a gateway's certificate has the gateway's name.
        let server_name = self.server_name.clone().filter(|_| request.host == self.listen_host);
        DialRequest { tls: self.tls.clone(), server_name, proxy: self.proxy.clone(), ..request }
    }
}

impl Dialer for NetworkDialer {
    fn dial(&self, request: DialRequest) -> Dialing {
        let mut request = self.complete(request);
        Box::pin(async move {
            let opened = transport::open(&mut request).await?;
            let response = &opened.response;
            if response.status != 101 {
                let retry_after = joined(&response.headers, "retry-after").as_deref().and_then(seconds);
                let reason: String = response.reason.chars().take(MAX_TEXT).collect();
                return Err(DialFailure {
                    error: RelayError::refused(response.status, &reason),
                    retry_after,
                });
            }
            transport::check_upgrade(response, &opened.key, &[], false)
                .map_err(|why| RelayError::new(ErrorKind::Handshake, why))?;
            Ok(Dialed { io: Box::new(opened.stream), leftover: opened.leftover })
        })
    }
}

/// `Retry-After` in its form of seconds; a date is left to the policy.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// A handshake with `address`.
pub(super) fn request_to(address: Address, head: HeaderLines, timeout: Duration) -> DialRequest {
    let Address { secure, host, port, target } = address;
    DialRequest {
        secure,
        host,
        port,
        target: target.into(),
        head,
        tls: None,
        server_name: None,
        proxy: None,
        admission: None,
        handshake_timeout: (!timeout.is_zero()).then_some(timeout),
    }
}

/// The handshake of a control channel. The token goes into a header: query strings end up in logs.
pub(super) fn control_target(
    listen: &Address,
    target: &str,
    token: &Secret,
    timeout: Duration,
) -> DialRequest {
    let address = Address { target: without_parameter(target, "sb-hc-token"), ..listen.clone() };
    let mut head = handshake_head(&listen.host_header());
    head.push("ServiceBusAuthorization", token.expose());
    let agent = format!("hyco-ws-rs/{} ({}; node)", env!("CARGO_PKG_VERSION"), std::env::consts::OS);
    head.push("Relay-User-Agent", &agent);
    request_to(address, head, timeout)
}

/// The handshake of a rejection or a short-form request: no token, the credentials are in the address.
pub(super) fn plain_target(address: Address, timeout: Duration) -> DialRequest {
    let head = handshake_head(&address.host_header());
    request_to(address, head, timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::NamedProxy;

    #[test]
    fn the_control_handshake_has_its_headers_and_hides_the_token() {
        let config = ListenerConfig::new("wss://ns.servicebus.windows.net/$hc/h?sb-hc-token=old").unwrap();
        let token = Secret::new("SharedAccessSignature s3cret");
        let path = config.control_target(0);
        let target = control_target(&config.listen, &path, &token, Duration::from_secs(1));
        assert!(target.head.contains("\r\nServiceBusAuthorization: SharedAccessSignature s3cret\r\n"));
        assert!(target.head.contains("\r\nRelay-User-Agent: hyco-ws-rs/"));
        assert!(
            target.head.starts_with("Host: ns.servicebus.windows.net\r\n")
                && target.head.ends_with("; node)\r\n")
        );
        assert!(target.target.starts_with("/$hc/h?sb-hc-action=listen&sb-hc-id="));
        assert!(!format!("{target:?}").contains("s3cret"));
    }

    #[test]
    fn a_chosen_server_name_is_for_the_listen_host_only() {
        let mut config = ListenerConfig::new("wss://ns.servicebus.windows.net/$hc/h").unwrap();
        config.server_name = Some("alias".into());
        let dialer = NetworkDialer::new(&config);
        let name = |uri: &str| {
            let target = plain_target(Address::parse(uri).unwrap(), Duration::ZERO);
            dialer.complete(target).server_name
        };
        assert_eq!(name("wss://ns.servicebus.windows.net/x").as_deref(), Some("alias"));
        assert_eq!(name("wss://g1.servicebus.windows.net/x"), None);
    }

    #[test]
    fn each_host_has_the_proxy_that_it_needs() {
        let mut config = ListenerConfig::new("wss://ns.servicebus.windows.net/$hc/h").unwrap();
        let all = Some(NamedProxy { name: "ALL_PROXY".into(), url: "http://proxy:1".into() });
        let rules = ProxyRules { all, no: "g1.servicebus.windows.net".into(), ..ProxyRules::default() };
        config.proxy = Some(rules.into());
        let dialer = NetworkDialer::new(&config);
        let proxy = |uri: &str| {
            let target = plain_target(Address::parse(uri).unwrap(), Duration::ZERO);
            dialer.complete(target).proxy().unwrap()
        };
        assert!(proxy("wss://ns.servicebus.windows.net/x").is_some());
        assert!(proxy("wss://g1.servicebus.windows.net/x").is_none());
    }

    #[test]
    fn reads_retry_after() {
        assert_eq!(seconds(" 12 "), Some(Duration::from_secs(12)));
        assert_eq!(seconds("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
