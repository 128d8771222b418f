//! What an emulator can be told. The defaults are in `lib/shared/option-table.js`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Everything that [`RelayEmulator::start`](super::RelayEmulator::start) takes. Times are milliseconds; in
/// JavaScript the names are the same in camel case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmulatorOptions {
    /// The address to bind.
    pub host: String,
    /// The port to bind; 0 takes a free one.
    pub port: u16,
    /// `host[:port]` written into rendezvous addresses; without it the name by which the listener came.
    pub public_host: Option<String>,
    /// Serves wss:// and https:// instead of ws:// and http://.
    pub tls: Option<EmulatorTls>,
    /// The hybrid connections that exist.
    pub hybrid_connections: Vec<HybridConnectionOptions>,
    /// The SAS rules, of the namespace or of one hybrid connection.
    pub shared_access_policies: Vec<PolicyOptions>,
    /// Listeners that one hybrid connection admits.
    pub max_listeners: usize,
    /// Makes the choice among several listeners repeatable.
    pub seed: Option<u64>,
    /// How long a rendezvous address can be used.
    pub rendezvous_lifetime: u64,
    /// How long a sender waits for a listener to accept.
    pub accept_timeout: u64,
    /// How long an HTTP sender waits for the first of the response, and for each further piece.
    pub response_timeout: u64,
    /// How long a client may take over TLS and its request head.
    pub handshake_timeout: u64,
    /// How long the closing handshake of a control channel may take.
    pub close_timeout: u64,
    /// How long a sender or a listener may go on sending when the other one has closed.
    pub half_close_timeout: u64,
    /// How long a control channel outlives its token.
    pub token_grace: u64,
    /// The age at which a control channel is recycled; 0 never.
    pub recycle_after: u64,
    /// The longest request head in bytes.
    pub max_head: usize,
    /// Passes WebSocket extensions through from end to end, which the service does not do.
    pub grant_extensions: bool,
    /// Carries a peer's close code and reason across; otherwise the documented 1000 and 1001.
    pub carry_close_codes: bool,
}

/// For tests.
#[cfg(test)]
impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 0,
            public_host: None,
            tls: None,
            hybrid_connections: vec![HybridConnectionOptions {
                path: "hyco".to_owned(),
                requires_client_authorization: true,
            }],
            shared_access_policies: Vec::new(),
            max_listeners: 25,
            seed: None,
            rendezvous_lifetime: 30_000,
            accept_timeout: 30_000,
            response_timeout: 60_000,
            handshake_timeout: 15_000,
            close_timeout: 10_000,
            half_close_timeout: 60_000,
            token_grace: 300_000,
            recycle_after: 86_400_000,
            max_head: 64 * 1024,
            grant_extensions: false,
            carry_close_codes: true,
        }
    }
}

impl EmulatorOptions {
    /// The time that the closing handshake of a control channel may take.
    pub(super) fn close_time(&self) -> Duration {
        Duration::from_millis(self.close_timeout)
    }

    /// The time in which a joined connection may be half closed.
    pub(super) fn half_close_time(&self) -> Duration {
        Duration::from_millis(self.half_close_timeout)
    }
}

/// The certificate to serve with.
#[derive(Clone, Deserialize)]
pub struct EmulatorTls {
    /// The certificate chain, PEM.
    pub cert: String,
    /// Its private key, PEM.
    pub key: String,
}

impl fmt::Debug for EmulatorTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatorTls").finish_non_exhaustive()
    }
}

/// One hybrid connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HybridConnectionOptions {
    /// Its name; may have several segments.
    pub path: String,
    /// False lets senders come without a token.
    pub requires_client_authorization: bool,
}

/// What a SAS rule permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Right {
    /// To register a listener.
    Listen,
    /// To connect as a sender.
    Send,
    /// Both, and to manage.
    Manage,
}

/// One SAS rule.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyOptions {
    /// The rule's name.
    pub key_name: String,
    /// Its key, used as UTF-8 text.
    pub key: String,
    /// What it permits.
    pub rights: Vec<Right>,
    /// The hybrid connection that it belongs to; without one, the namespace.
    pub path: Option<String>,
}

impl fmt::Debug for PolicyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyOptions")
            .field("key_name", &self.key_name)
            .field("rights", &self.rights)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
