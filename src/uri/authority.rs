//! `host[:port]`, as it stands in addresses of every kind.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The port of a scheme that names none: `wss` and `https`, or `ws` and `http`.
pub fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// A host as it stands in front of a port: an IPv6 address in brackets.
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

/// A host as it is looked up: an IPv6 address without brackets.
pub fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Splits `host[:port]`; `None` if the port is not a port.
pub fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].find(':').map(|at| at + bracket),
        None => authority.find(':'),
    };
    let Some(colon) = colon else { return Some((authority, None)) };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if port.is_empty() {
        return Some((host, None));
    }
    let number = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok()).flatten()?;
    (number != 0).then_some((host, Some(number)))
}

/// Whether `host[:port]` is this machine: plain `ws:` goes nowhere else.
pub fn is_loopback(authority: &str) -> bool {
    let host = split_port(authority).map_or(authority, |(host, _)| host);
    let literal = bare_host(host);
    host.eq_ignore_ascii_case("localhost")
        || literal.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || literal.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
