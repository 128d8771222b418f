//! A namespace as a program names it. hyco-ws knows names only, and makes addresses that nothing can read of the rest:
//! `host:port`, `wss://host[:port]`, and `ws://host[:port]` for an emulator on this machine.

use super::authority::{default_port, is_loopback, split_port};
use crate::error::{ErrorKind, RelayError};

/// Where a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespacePlace<'a> {
    secure: bool,
    /// As written, without scheme and slash.
    authority: &'a str,
    has_port: bool,
}

impl<'a> NamespacePlace<'a> {
    /// Reads a namespace. What has neither a scheme nor a port is a name, whatever stands in it, as for hyco-ws.
    ///
    /// # Errors
    /// `InvalidFormat` where more or less than a host follows the scheme, and where `ws:` leads to another machine.
    pub fn read(namespace: &'a str) -> Result<Self, RelayError> {
        let Some((secure, rest)) = split_web_socket_scheme(namespace) else {
            let authority = place_in(namespace).filter(|&(_, has_port)| has_port);
            let (authority, has_port) = authority.unwrap_or((namespace, false));
            return Ok(Self { secure: true, authority, has_port });
        };
        let scheme = if secure { "wss" } else { "ws" };
        let (authority, has_port) = place_in(rest)
            .ok_or_else(|| invalid(format!("it must be a host, host:port or {scheme}://host:port")))?;
        if !secure && !is_loopback(authority) {
            return Err(invalid("ws:// is for an emulator on this machine, without TLS".to_owned()));
        }
        Ok(Self { secure, authority, has_port })
    }

    /// `wss://host:port`; the port is always named, as by hyco-ws.
    pub fn web_socket_origin(self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        if self.has_port {
            format!("{scheme}://{}", self.authority)
        } else {
            format!("{scheme}://{}:{}", self.authority, default_port(self.secure))
        }
    }

    /// `https://host`, as by hyco-https, with the port where the namespace has one.
    pub fn http_origin(self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

/// Takes `ws://` (false) or `wss://` (true) off a text.
pub(super) fn split_web_socket_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let secure = scheme.eq_ignore_ascii_case("wss");
    (secure || scheme.eq_ignore_ascii_case("ws")).then_some((secure, rest))
}

/// The authority in `host[:port][/]`, and whether it names a port.
fn place_in(text: &str) -> Option<(&str, bool)> {
    let authority = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = split_port(authority)?;
    let is_foreign = |c: char| c.is_whitespace() || matches!(c, '/' | '\\' | '?' | '#' | '@');
    let is_host = !host.is_empty() && !authority.ends_with(':') && !authority.contains(is_foreign);
    is_host.then_some((authority, port.is_some()))
}

fn invalid(what: String) -> RelayError {
    RelayError::new(ErrorKind::InvalidFormat, what)
}
