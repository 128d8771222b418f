//! The addresses that the relay hands out: taken apart without changing a byte of path and query, and checked
//! before anything is dialled.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::error::{ErrorKind, RelayError};
use crate::uri::authority::{bare_host, bracketed, default_port, split_port};

/// Longest host name in bytes; no longer one can be looked up, and reports quote it.
const MAX_HOST: usize = 253;

/// A `ws://` or `wss://` address, ready to dial.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// True for `wss`.
    pub secure: bool,
    /// Lower-cased host name or IP address; IPv6 without brackets.
    pub host: String,
    /// The port, with the scheme's default filled in.
    pub port: u16,
    /// Path and query as they stand in the address, without the fragment.
    pub target: String,
}

/// Which parts of an address may be put right instead of being refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// From the relay: opaque, so anything that cannot stand in a request line is refused.
    Verbatim,
    /// From the program: spaces and non-ASCII text are percent-encoded, as `url.parse` does.
    Lenient,
}

impl Address {
    /// Reads an address that the relay sent. Path and query stay verbatim.
    ///
    /// # Errors
    /// `Protocol` if it is not an absolute ws/wss address, carries credentials, or cannot stand in a request line.
    pub fn parse(text: &str) -> Result<Self, RelayError> {
        Self::read(text, Spelling::Verbatim).map_err(|why| RelayError::new(ErrorKind::Protocol, why))
    }

    /// Reads the listen URI that the program gave; spaces and non-ASCII characters are percent-encoded.
    ///
    /// # Errors
    /// `InvalidFormat` if it is not an absolute ws/wss URI.
    pub fn parse_listen(text: &str) -> Result<Self, RelayError> {
        Self::read(text, Spelling::Lenient).map_err(|why| RelayError::new(ErrorKind::InvalidFormat, why))
    }

    fn read(text: &str, spelling: Spelling) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("The address has no scheme")?;
        let secure = match scheme {
            s if s.eq_ignore_ascii_case("wss") => true,
            s if s.eq_ignore_ascii_case("ws") => false,
            _ => return Err("The address is neither ws: nor wss:"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let authority = match (authority.rsplit_once('@'), spelling) {
            (None, _) => authority,
            (Some((_, host)), Spelling::Lenient) => host,
            (Some(_), Spelling::Verbatim) => return Err("The address carries credentials"),
        };
        let (host, port) = split_port(authority).ok_or("The address has no valid host and port")?;
        let host = match url::Host::parse(host).map_err(|_| "The address has no valid host")? {
            url::Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            url::Host::Ipv4(ip) => ip.to_string(),
            url::Host::Ipv6(ip) => ip.to_string(),
        };
        if host.is_empty() || host.len() > MAX_HOST {
            return Err("The address has no valid host");
        }
        let tail = tail.split('#').next().unwrap_or_default();
        let target = if tail.starts_with('/') { tail.to_owned() } else { format!("/{tail}") };
        if spelling == Spelling::Verbatim && target.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err("The address has a space or a control character in it");
        }
        Ok(Self { secure, host, port: port.unwrap_or(default_port(secure)), target: encode_unsafe(&target) })
    }

    /// The value of the `Host` header: the port is named only where it is not the scheme's own.
    pub fn host_header(&self) -> String {
        let host = bracketed(&self.host);
        if self.port == default_port(self.secure) {
            host.into_owned()
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The host as `URL.hostname` of JavaScript has it: an IPv6 address in brackets, and in the URL standard's spelling.
    pub fn hostname(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(ip) => url::Host::<&str>::Ipv6(ip).to_string(),
            Err(_) => self.host.clone(),
        }
    }
}

/// Without the query, which holds the relay's credentials for this one connection.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{path}?…", self.host_header())
    }
}

/// Percent-encodes what may not stand in a request line; everything else stays as it is.
fn encode_unsafe(target: &str) -> String {
    const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');
    percent_encoding::utf8_percent_encode(target, UNSAFE).to_string()
}

/// Which hosts an `accept` or a `request` may send the listener to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HostPolicy {
    /// The listen host itself and every host under its parent domain, as Azure's gateway nodes are.
    #[default]
    ParentDomain,
    /// The listener's owner decides, dial by dial.
    Owner,
}

impl HostPolicy {
    /// Checks what can be told from an address of the relay and the listen address alone: an owner is still to be asked.
    ///
    /// # Errors
    /// `Protocol` if the host is not allowed or if it would give up TLS that the listener itself has.
    pub fn check(self, address: &Address, listen: &Address) -> Result<(), RelayError> {
        if listen.secure && !address.secure {
            return Err(RelayError::new(ErrorKind::Protocol, "The relay named an address without TLS"));
        }
        if self == HostPolicy::Owner || host_allowed(&address.host, &listen.host) {
            return Ok(());
        }
        let text = format!("The relay named a host outside the namespace's domain: {}", address.host);
        Err(RelayError::new(ErrorKind::Protocol, text))
    }
}

/// True if `host` is the listen host or lies under its parent domain. IP addresses, `localhost` and names whose
/// parent is a whole registry (`com`, `co.uk`) have no siblings: there the hosts must be the same.
pub fn host_allowed(host: &str, listen_host: &str) -> bool {
    if same_host(host, listen_host) {
        return true;
    }
    let (host, listen_host) = (normal(host), normal(listen_host));
    if is_ip(&host) || is_ip(&listen_host) {
        return false;
    }
    let Some((_, parent)) = listen_host.split_once('.') else { return false };
    if is_registry(parent) {
        return false;
    }
    host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn same_host(a: &str, b: &str) -> bool {
    normal(a) == normal(b)
}

fn normal(host: &str) -> String {
    bare_host(host).trim_end_matches('.').to_ascii_lowercase()
}

fn is_ip(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

/// `com`, `co.uk`, `com.au`: parents that strangers share. Not the public suffix list, but on the safe side for
/// the names that relays have, all of which have three labels or more above the namespace.
fn is_registry(parent: &str) -> bool {
    match parent.split_once('.') {
        None => true,
        Some((second, top)) => !top.contains('.') && top.len() <= 2 && second.len() <= 3,
    }
}

#[cfg(test)]
mod tests;
