//! Node's legacy `url.parse` and `url.format`, for the URIs that a relay has.
//!
//! hyco-ws signs what these two functions make of a URI, so their habits are part of the token format: the
//! userinfo and the port stay, the path is escaped a second time, a backslash is a slash. The WHATWG parser of
//! the `url` crate normalises differently. Only absolute URIs with an authority (`scheme://host…`) are read.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::push_escaped;
use crate::error::{ErrorKind, RelayError};

/// A URI as `url.parse` takes it apart.
#[derive(Clone, PartialEq, Eq)]
pub struct LegacyUrl {
    /// Lower case, without the colon.
    scheme: String,
    /// Escaped as `url.format` escapes it; empty for none.
    auth: String,
    /// Lower case, in ASCII, with the port if the URI names one.
    host: String,
    /// Everything after the host, escaped: path, query, fragment.
    rest: String,
    path_end: usize,
    search_end: usize,
}

impl LegacyUrl {
    /// Takes `uri` apart.
    ///
    /// # Errors
    /// `InvalidFormat` where `uri` is relative, has no host or is refused by `url.parse`.
    pub fn parse(uri: &str) -> Result<Self, RelayError> {
        let text = slashed(uri.trim_matches(is_trimmed));
        let (scheme, after) = split_scheme(&text).ok_or_else(|| invalid("the URI is not absolute"))?;
        let (authority, tail) = split_authority(after);
        let authority = without_breaks(authority);
        let (auth, host) = match authority.rsplit_once('@') {
            Some((auth, host)) => (decode_component(auth)?, host),
            None => (Cow::Borrowed(""), &*authority),
        };
        // The first character that no host has ends it and begins the path.
        let (host, left_over) = split_before(host, is_never_in_host);
        let (name, port) = split_port(host);
        let (host, misplaced) = ascii_host(name, port)?;

        let mut raw = String::with_capacity(misplaced.len() + left_over.len() + tail.len() + 1);
        let has_slash = left_over.is_empty() && tail.starts_with('/');
        if !misplaced.is_empty() || (host.starts_with('[') && !has_slash) {
            raw.push('/');
        }
        raw.push_str(misplaced);
        raw.push_str(left_over);
        raw.push_str(tail);

        let mut rest = String::with_capacity(raw.len());
        push_escaped(&mut rest, &raw, |byte| !is_auto_escaped(byte));
        let search_end = rest.find('#').unwrap_or(rest.len());
        let path_end = rest.find(['?', '#']).unwrap_or(rest.len());

        let mut escaped_auth = String::new();
        push_escaped(&mut escaped_auth, &auth, is_kept_in_auth);
        Ok(Self { scheme: scheme.to_ascii_lowercase(), auth: escaped_auth, host, rest, path_end, search_end })
    }

    /// The path, escaped; empty where the URI has none.
    pub fn pathname(&self) -> &str {
        self.rest.get(..self.path_end).unwrap_or_default()
    }

    /// The query with its question mark; empty where the URI has none.
    pub fn search(&self) -> &str {
        self.rest.get(self.path_end..self.search_end).unwrap_or_default()
    }

    /// The text that a token is made for: scheme `http`, without query, fragment and the first `$hc/`.
    pub fn resource(&self) -> String {
        let path = self.pathname();
        let (before, after) = path.split_once("$hc/").unwrap_or((path, ""));
        let mut out = String::with_capacity(self.auth.len() + self.host.len() + path.len() + 10);
        self.push_origin(&mut out, "http");
        // url.parse gives the schemes that it knows a path; the others are signed as if they had one.
        let has_slash = before.starts_with('/') || (before.is_empty() && after.starts_with('/'));
        if !has_slash {
            out.push('/');
        }
        out.push_str(before);
        out.push_str(after);
        out
    }

    /// `url.format` with another query (with its question mark).
    pub fn format_with_search(&self, search: &str) -> String {
        let mut out = String::with_capacity(self.rest.len() + self.host.len() + search.len() + 16);
        self.push_origin(&mut out, &self.scheme);
        let path = self.pathname();
        if !path.starts_with('/') && (!path.is_empty() || is_slashed(&self.scheme)) {
            out.push('/');
        }
        out.push_str(path);
        out.push_str(search);
        out.push_str(self.rest.get(self.search_end..).unwrap_or_default());
        out
    }

    fn push_origin(&self, out: &mut String, scheme: &str) {
        out.push_str(scheme);
        out.push_str("://");
        if !self.auth.is_empty() {
            out.push_str(&self.auth);
            out.push('@');
        }
        out.push_str(&self.host);
    }
}

fn invalid(what: &str) -> RelayError {
    // Never quotes the URI: it may carry a token or a password.
    RelayError::new(ErrorKind::InvalidFormat, what)
}

fn is_trimmed(c: char) -> bool {
    c <= ' ' || c == '\u{a0}' || c == '\u{feff}'
}

/// Backslashes before the query and the fragment are slashes.
fn slashed(uri: &str) -> Cow<'_, str> {
    let (head, tail) = split_before(uri, |c| c == '?' || c == '#');
    if head.contains('\\') { Cow::Owned(head.replace('\\', "/") + tail) } else { Cow::Borrowed(uri) }
}

fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    if scheme.is_empty() || !scheme.bytes().all(valid) || scheme.eq_ignore_ascii_case("javascript") {
        return None;
    }
    Some((scheme, rest.strip_prefix("//")?))
}

fn split_authority(text: &str) -> (&str, &str) {
    split_before(text, |c| matches!(c, '/' | '?' | '#'))
}

fn split_before(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn without_breaks(authority: &str) -> Cow<'_, str> {
    let is_break = |c: char| matches!(c, '\t' | '\n' | '\r');
    if authority.contains(is_break) {
        Cow::Owned(authority.replace(is_break, ""))
    } else {
        Cow::Borrowed(authority)
    }
}

/// JavaScript's `decodeURIComponent`, which refuses what is not well-formed.
fn decode_component(text: &str) -> Result<Cow<'_, str>, RelayError> {
    let malformed = text.split('%').skip(1).any(|after| {
        let mut digits = after.bytes();
        !(digits.next().is_some_and(|b| b.is_ascii_hexdigit())
            && digits.next().is_some_and(|b| b.is_ascii_hexdigit()))
    });
    if malformed {
        return Err(invalid("the URI has a malformed user name or password"));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| invalid("the URI has a malformed user name or password"))
}

fn is_never_in_host(c: char) -> bool {
    matches!(c, ' ' | '"' | '%' | '\'' | ';' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

/// Splits off `:` and digits at the end. The port is empty for none.
fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (host, ""),
    }
}

/// The host with its port as `url.parse` keeps it, and what it moves from the host into the path.
fn ascii_host<'a>(name: &'a str, port: &str) -> Result<(String, &'a str), RelayError> {
    let is_ipv6 = name.len() > 2 && name.starts_with('[') && name.ends_with(']');
    let (name, misplaced) = if is_ipv6 { (name, "") } else { split_before(name, |c| c == ':') };
    if name.encode_utf16().count() > 255 {
        return Err(invalid("the URI has a host name that is too long"));
    }
    let lower = name.to_lowercase();
    let mut host = if is_ipv6 {
        lower
    } else {
        // idna's own fast path allocates as well; most hosts are ASCII without a punycode label.
        let is_plain = lower.is_ascii() && !lower.contains("xn--");
        if is_plain { lower } else { idna_host(&lower)? }
    };
    let forbidden = |c: char| match c {
        '\0' | '\t' | '\n' | '\r' | ' ' | '#' | '%' | '/' | '<' | '>' | '?' | '@' | '\\' | '^' | '|' => true,
        ':' | '[' | ']' => !is_ipv6,
        _ => false,
    };
    if host.is_empty() || host.contains(forbidden) {
        return Err(invalid("the URI has no valid host"));
    }
    if !port.is_empty() {
        host.push(':');
        host.push_str(port);
    }
    Ok((host, misplaced))
}

fn idna_host(name: &str) -> Result<String, RelayError> {
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    Uts46::new()
        .to_ascii(name.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
        .map(Cow::into_owned)
        .map_err(|_| invalid("the URI has no valid host"))
}

fn is_auto_escaped(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' ' | b'"' | b'\'' | b'<' | b'>')
        || matches!(byte, b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn is_kept_in_auth(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'\'' | b'(' | b')' | b'*' | b'-' | b'.' | b':' | b'_' | b'~')
}

/// The schemes that always have a path.
fn is_slashed(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ftp" | "gopher" | "file" | "ws" | "wss")
}

#[cfg(test)]
mod tests;
