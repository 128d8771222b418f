//! What an `accept` means for the program: the subprotocols on offer, the address that rejects, and the header lines of
//! the rendezvous.

use crate::http::HeaderLines;

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
/// `extra` are the program's own `Name: value` lines; those that belong to the handshake are left out. JavaScript has
/// checked them and the subprotocol; a line that is no header spoils the head.
pub fn rendezvous_head(
    host_header: &str,
    protocol: Option<&str>,
    extensions: Option<&str>,
    extra: &[String],
) -> HeaderLines {
    let mut head = handshake_head(host_header);
    if let Some(protocol) = protocol {
        head.push("Sec-WebSocket-Protocol", protocol);
    }
    if let Some(extensions) = extensions {
        head.push("Sec-WebSocket-Extensions", extensions);
    }
    for line in extra {
        // Without a colon it has no name.
        let (name, value) = line.split_once(':').unwrap_or(("", line));
        if !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            head.push(name, value.trim_matches([' ', '\t']));
        }
    }
    head
}

#[cfg(test)]
mod tests;
