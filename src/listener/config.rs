//! The options of a listener with their defaults. Read once, at the start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{ErrorKind, RelayError};
use crate::http::headers::is_ascii_text;
use crate::protocol::accept::{query_parameter, with_parameter};
use crate::protocol::address::Address;
use crate::transport::ProxyRules;

pub use crate::keep_alive::{KeepAlive, KeepAliveMode};
pub use crate::protocol::address::HostPolicy;

/// Control channels that one hybrid connection takes at most.
pub const MAX_CHANNELS: u16 = 25;

/// Limit of a control channel's closing handshake.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// A token provider that is silent this long is reported and asked again. JavaScript has a shorter limit of its own, for
/// senders, too (`PROVIDER_TIMEOUT`), and so always answers before.
pub(super) const TOKEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest text of the relay, in characters, that an error repeats.
pub(super) const MAX_TEXT: usize = 512;

/// What stands for "no limit".
const LONG: Duration = Duration::from_secs(365 * 86_400);
/// Least time that a channel is up before it counts as stable.
const STABLE_MIN: Duration = Duration::from_millis(100);

/// A token or another text that no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<masked>")
    }
}

/// A SAS rule, of which tokens are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SasRule {
    /// The rule's name.
    pub name: String,
    /// Its keys: after a token that was refused the next one signs.
    pub keys: Vec<Secret>,
    /// How long a token is good for.
    pub lifetime: Duration,
    /// The URI that the tokens are for.
    pub audience: String,
}

/// How a lost control channel is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconnectConfig {
    /// Shortest delay after the first retry, which comes at once.
    pub min_delay: Duration,
    /// Longest delay.
    pub max_delay: Duration,
    /// A channel that was up this long starts again with "at once".
    pub stable_after: Duration,
    /// Go on after 403 and 404.
    pub retry_terminal: bool,
    /// The owner names each delay itself with `retry_in` when it sees `reconnecting`; the policy's own delay holds
    /// if it does not within five seconds.
    pub owner_delays: bool,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            stable_after: Duration::from_secs(30),
            retry_terminal: false,
            owner_delays: false,
        }
    }
}

/// The options of a listener.
#[derive(Clone)]
pub struct ListenerConfig {
    /// Where to listen: address, path and query as the program gave them.
    pub listen: Address,
    /// What tokens are made of; without one the owner is asked by an event and answers with `provide_token`.
    pub rule: Option<SasRule>,
    /// `sb-hc-id` of the first channel; a random UUID if there is none. Further channels have their own.
    pub id: Option<String>,
    /// Keep-alive of the control channels.
    pub keep_alive: KeepAlive,
    /// Reconnect policy.
    pub reconnect: ReconnectConfig,
    /// Limit of a control dial, from name lookup to 101.
    pub handshake_timeout: Duration,
    /// Limit of verdict and rendezvous dial together; also of a rejection.
    pub accept_timeout: Duration,
    /// A healthy control channel is replaced at this age, before the service recycles it (24 h); zero: never.
    pub recycle_after: Duration,
    /// Parallel control channels, 1 to 25.
    pub control_channels: u16,
    /// Senders that may wait for a verdict or their rendezvous; beyond them they get 503.
    pub max_pending_accepts: usize,
    /// The same with those that are open: the owner tells when they have gone.
    pub max_connections: usize,
    /// HTTP requests that may be in progress; beyond them senders get 503.
    pub max_pending_requests: usize,
    /// Bytes of those requests, with bodies that did not stream, and of answers that wait for a control channel.
    pub max_request_bytes: usize,
    /// Which hosts the relay may send us to.
    pub rendezvous_hosts: HostPolicy,
    /// TLS settings; absent for `ws:`.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Name to verify in the listen host's certificate, if it is not the host.
    pub server_name: Option<String>,
    /// Which proxy a dial takes.
    pub proxy: Option<Arc<ProxyRules>>,
}

impl ListenerConfig {
    /// The defaults for a listen URI.
    ///
    /// # Errors
    /// `InvalidFormat` if the URI is not an absolute ws/wss URI.
    pub fn new(listen_uri: &str) -> Result<Self, RelayError> {
        Ok(Self {
            listen: Address::parse_listen(listen_uri)?,
            rule: None,
            id: None,
            keep_alive: KeepAlive::default(),
            reconnect: ReconnectConfig::default(),
            handshake_timeout: Duration::from_secs(60),
            accept_timeout: Duration::from_secs(20),
            recycle_after: Duration::from_secs(23 * 3600),
            control_channels: 1,
            max_pending_accepts: 256,
            max_connections: usize::MAX,
            max_pending_requests: 1024,
            max_request_bytes: 64 * 1024 * 1024,
            rendezvous_hosts: HostPolicy::ParentDomain,
            tls: None,
            server_name: None,
            proxy: None,
        })
    }

    /// Puts values that make no sense right and refuses what cannot be sent.
    ///
    /// # Errors
    /// `InvalidArgument` for an id that cannot stand in a handshake, or a rule without a key.
    pub(super) fn checked(mut self) -> Result<Self, RelayError> {
        self.control_channels = self.control_channels.clamp(1, MAX_CHANNELS);
        for limit in [&mut self.handshake_timeout, &mut self.accept_timeout] {
            // Zero is "off": to the timers, long enough.
            *limit = if limit.is_zero() { LONG } else { (*limit).min(LONG) };
        }
        self.recycle_after = self.recycle_after.min(LONG);
        // A channel that counts as stable from the start would be dialled again at once for ever.
        self.reconnect.stable_after = self.reconnect.stable_after.clamp(STABLE_MIN, LONG);
        if self.rule.as_ref().is_some_and(|rule| rule.keys.is_empty()) {
            return Err(RelayError::new(ErrorKind::InvalidArgument, "The SAS rule has no key"));
        }
        if self.id.as_deref().is_some_and(|id| !is_ascii_text(id)) {
            return Err(RelayError::new(
                ErrorKind::InvalidArgument,
                "The id has characters that no URI may have",
            ));
        }
        Ok(self)
    }

    /// Path and query of one channel's handshake, with action and id filled in.
    pub(super) fn control_target(&self, channel: u16) -> String {
        let mut target = self.listen.target.clone();
        if query_parameter(&target, "sb-hc-action").is_none() {
            target = with_parameter(&target, "sb-hc-action", "listen");
        }
        match query_parameter(&target, "sb-hc-id") {
            Some(_) => target,
            None => with_parameter(&target, "sb-hc-id", &self.channel_id(channel)),
        }
    }

    fn channel_id(&self, channel: u16) -> String {
        // The service appends `_G12` and the like; an id that was read back must not grow on each reconnect.
        let own = self.id.as_deref().and_then(|id| id.split('_').next()).filter(|id| !id.is_empty());
        match own {
            Some(id) if channel == 0 => id.to_owned(),
            _ => crate::uuid::random_uuid(),
        }
    }
}

impl fmt::Debug for ListenerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerConfig")
            .field("listen", &self.listen)
            .field("rule", &self.rule)
            .field("id", &self.id)
            .field("keep_alive", &self.keep_alive)
            .field("reconnect", &self.reconnect)
            .field("control_channels", &self.control_channels)
            .field("max_pending_accepts", &self.max_pending_accepts)
            .field("rendezvous_hosts", &self.rendezvous_hosts)
            .finish_non_exhaustive()
    }
}

/// Refuses what could break out of the header that carries a token. The text never quotes it.
pub(super) fn check_token(token: &str) -> Result<(), RelayError> {
    if token.is_empty() {
        return Err(RelayError::new(ErrorKind::Token, "The token is empty"));
    }
    if !is_ascii_text(token) {
        return Err(RelayError::new(ErrorKind::Token, "The token has characters that no header may have"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_action_and_id() {
        let mut config = ListenerConfig::new("wss://ns.servicebus.windows.net/$hc/hyco").unwrap();
        config.id = Some("3f2b_G12_G3".into());
        assert_eq!(config.control_target(0), "/$hc/hyco?sb-hc-action=listen&sb-hc-id=3f2b");
        assert!(!config.control_target(1).contains("3f2b"));
        let whole = "wss://ns/$hc/hyco?sb-hc-action=listen&sb-hc-id=mine";
        assert_eq!(
            ListenerConfig::new(whole).unwrap().control_target(3),
            "/$hc/hyco?sb-hc-action=listen&sb-hc-id=mine"
        );
    }

    #[test]
    fn shows_no_secret() {
        let mut config =
            ListenerConfig::new("wss://ns/$hc/h?sb-hc-token=s3cret&sb-hc-action=listen").unwrap();
        config.rule = Some(SasRule {
            name: "rule".into(),
            keys: vec![Secret::new("s3cret")],
            lifetime: LONG,
            audience: "wss://ns/$hc/h".into(),
        });
        assert!(!format!("{config:?}").contains("s3cret"));
        assert!(!format!("{:?}", Secret::new("s3cret")).contains("s3cret"));
    }

    #[test]
    fn refuses_what_would_break_a_handshake() {
        let mut config = ListenerConfig::new("wss://ns/$hc/h").unwrap();
        for token in ["", "a\r\nX: y", "\u{fc}"] {
            assert_eq!(check_token(token).unwrap_err().kind, ErrorKind::Token);
        }
        config.id = Some("a\nb".into());
        assert!(config.clone().checked().is_err());
        config.id = None;
        config.control_channels = 99;
        config.handshake_timeout = Duration::ZERO;
        config.accept_timeout = Duration::MAX;
        let config = config.checked().unwrap();
        assert_eq!(
            (config.control_channels, config.handshake_timeout, config.accept_timeout),
            (25, LONG, LONG)
        );
    }
}
