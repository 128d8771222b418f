//! What an `accept` means for the program: the subprotocols on offer, the address that rejects, and the header lines of
//! the rendezvous.

use crate::error::{ErrorKind, RelayError};
use crate::http::HeaderLines;
use crate::http::headers::is_token;

/// Longest reason in bytes that a rejection carries; it travels in a URL and comes out as a reason phrase.
const MAX_DESCRIPTION: usize = 512;

/// The query parameter `name` of an address or target, still encoded.
pub fn query_parameter<'a>(target: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = target.split('#').next()?.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// `target` with `name=value` appended to its query.
pub fn with_parameter(target: &str, name: &str, value: &str) -> String {
    let joint = match target.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{target}{joint}{name}={}", form_encode(value))
}

/// `target` without the query parameter `name`.
pub fn without_parameter(target: &str, name: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let other = |pair: &&str| pair.split_once('=').is_none_or(|(key, _)| key != name);
    let kept: Vec<&str> = query.split('&').filter(other).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// The address whose handshake rejects the sender with `status` and `description`; the relay answers it with 410.
///
/// A status that no rejection can have (success, upgrade, out of range) becomes 502, which is what the SDKs send
/// for a handler that failed.
pub fn reject_address(address: &str, status: u16, description: &str) -> String {
    let status = if (300..=599).contains(&status) { status } else { 502 };
    let address = address.split('#').next().unwrap_or_default();
    let address = with_parameter(address, "sb-hc-statusCode", &status.to_string());
    with_parameter(&address, "sb-hc-statusDescription", &header_safe(description))
}

/// Text that can stand in a status line: printable ASCII of bounded length, everything else replaced.
pub fn header_safe(text: &str) -> String {
    let safe = text.chars().map(|c| match c {
        ' '..='~' => c,
        c if c.is_control() => ' ',
        _ => '?',
    });
    safe.take(MAX_DESCRIPTION).collect::<String>().trim().to_owned()
}

/// `application/x-www-form-urlencoded`, as the SDKs encode descriptions.
fn form_encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// True for text that can stand as a header's value: visible ASCII, spaces and tabs.
pub fn is_header_value(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// Splits a `Name: value` line and checks both halves, so that nothing can smuggle in another line.
///
/// # Errors
/// `InvalidArgument`, naming the header if it has a name.
pub fn parse_header_line(line: &str) -> Result<(&str, &str), RelayError> {
    let bad =
        |what: &str| RelayError::new(ErrorKind::InvalidArgument, format!("Invalid header line: {what}"));
    let (name, value) = line.split_once(':').ok_or_else(|| bad("no colon"))?;
    if !is_token(name) {
        return Err(bad("the name is not a token"));
    }
    let value = value.trim_matches([' ', '\t']);
    if !is_header_value(value) {
        return Err(bad(&format!("the value of {name} has a character that no header may have")));
    }
    Ok((name, value))
}

/// Headers that belong to the handshake itself and are never taken from the program.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
];

/// The lines that every handshake of a listener begins with.
pub fn handshake_head(host_header: &str) -> HeaderLines {
    let mut head = HeaderLines::default();
    head.push("Host", host_header);
    head.push("Connection", "Upgrade");
    head.push("Upgrade", "websocket");
    head.push("Sec-WebSocket-Version", "13");
    head
}

/// The header lines of a rendezvous dial, without `Sec-WebSocket-Key`.
///
/// `extra` are the program's own `Name: value` lines; those that belong to the handshake are left out.
///
/// # Errors
/// `InvalidArgument` for a subprotocol that is no token or a line that is no header.
pub fn rendezvous_head(
    host_header: &str,
    protocol: Option<&str>,
    extensions: Option<&str>,
    extra: &[String],
) -> Result<HeaderLines, RelayError> {
    let mut head = handshake_head(host_header);
    if let Some(protocol) = protocol {
        if !is_token(protocol) {
            return Err(RelayError::new(ErrorKind::InvalidArgument, "The subprotocol is not a token"));
        }
        head.push("Sec-WebSocket-Protocol", protocol);
    }
    if let Some(extensions) = extensions {
        if !is_header_value(extensions) {
            return Err(RelayError::new(
                ErrorKind::InvalidArgument,
                "The extensions cannot stand in a header",
            ));
        }
        head.push("Sec-WebSocket-Extensions", extensions);
    }
    for line in extra {
        let (name, value) = parse_header_line(line)?;
        if !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            head.push(name, value);
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
