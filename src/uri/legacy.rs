//! Node's legacy `url.parse` and `url.format`, for the URIs that a relay has.
//!
//! hyco-ws signs what these two functions make of a URI, so their habits are part of the token format: the
//! userinfo and the port stay, the path is escaped a second time, a backslash is a slash. The WHATWG parser of
//! the `url` crate normalises differently. Only absolute URIs with an authority (`scheme://host…`) are read.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::escape::{ByteSet, push_escaped};
use super::namespace::split_web_socket_scheme;
use crate::error::{ErrorKind, RelayError};

/// After the host, `url.parse` escapes these and nothing else.
static LEFT_ALONE: ByteSet = ByteSet::all_but(b"\t\n\r \"'<>\\^`{|}");
/// What may stand in the authority, before the query, in a host as written, before its port.
static AUTHORITY: ByteSet = ByteSet::all_but(b"/?#");
static PATH: ByteSet = ByteSet::all_but(b"?#");
static RAW_HOST: ByteSet = ByteSet::all_but(b" \"%';<>\\^`{|}");
static HOST_NAME: ByteSet = ByteSet::all_but(b":");
/// What a host may hold in the end; IDNA can have brought the rest in.
static HOST: ByteSet = ByteSet::all_but(b"\0\t\n\r #%/:<>?@[\\]^|");
static IPV6_HOST: ByteSet = ByteSet::all_but(b"\0\t\n\r #%/<>?@\\^|");
static KEPT_IN_AUTH: ByteSet = ByteSet::alphanumeric_and(b"!'()*-.:_~");

/// A URI as `url.parse` takes it apart.
#[derive(Clone, PartialEq, Eq)]
pub struct LegacyUrl<'a> {
    /// As written, without the colon.
    scheme: &'a str,
    /// Escaped as `url.format` escapes it; empty for none.
    auth: String,
    /// Lower case, in ASCII, with the port if the URI names one.
    host: String,
    /// Everything after the host, escaped: path, query, fragment.
    rest: String,
    path_end: usize,
    search_end: usize,
}

impl<'a> LegacyUrl<'a> {
    /// Takes `uri` apart.
    ///
    /// # Errors
    /// `InvalidFormat` where `uri` is relative, has no host or is refused by `url.parse`.
    pub fn parse(uri: &'a str) -> Result<Self, RelayError> {
        let trimmed = without_double_scheme(uri.trim_matches(is_trimmed));
        let text = slashed(trimmed);
        let (scheme, after) = split_scheme(&text).ok_or_else(|| invalid("the URI is not absolute"))?;
        // The scheme outlives the text, whose slashes are of no concern to it.
        let scheme = trimmed.get(..scheme.len()).unwrap_or_default();
        let (authority, tail) = split_before(after, &AUTHORITY);
        let authority = without_breaks(authority);
        let (auth, host) = match authority.rsplit_once('@') {
            Some((auth, host)) => (decode_component(auth)?, host),
            None => (Cow::Borrowed(""), &*authority),
        };
        // The first character that no host has ends it and begins the path.
        let (host, left_over) = split_before(host, &RAW_HOST);
        let (name, port) = split_port(host);
        let (host, misplaced) = ascii_host(name, port)?;

        let mut rest = String::with_capacity(misplaced.len() + left_over.len() + tail.len() + 16);
        let has_slash = left_over.is_empty() && tail.starts_with('/');
        if !misplaced.is_empty() || (host.starts_with('[') && !has_slash) {
            rest.push('/');
        }
        for part in [misplaced, left_over, tail] {
            push_escaped(&mut rest, part, &LEFT_ALONE);
        }
        let search_end = rest.find('#').unwrap_or(rest.len());
        let path_end = rest.find('?').map_or(search_end, |question| question.min(search_end));

        let mut escaped_auth = String::new();
        push_escaped(&mut escaped_auth, &auth, &KEPT_IN_AUTH);
        Ok(Self { scheme, auth: escaped_auth, host, rest, path_end, search_end })
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
        let (before, after) = split_at_marker(path);
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
        let scheme = self.scheme.to_ascii_lowercase();
        self.push_origin(&mut out, &scheme);
        let path = self.pathname();
        if !path.starts_with('/') && (!path.is_empty() || is_slashed(&scheme)) {
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

/// The samples of hyco-ws sign `'http://' + namespace`, and a namespace may have a scheme of its own: that one counts.
fn without_double_scheme(uri: &str) -> &str {
    let inner = uri.split_once("://").filter(|(scheme, inner)| {
        (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
            && split_web_socket_scheme(inner).is_some()
    });
    inner.map_or(uri, |(_, inner)| inner)
}

/// Backslashes before the query and the fragment are slashes.
fn slashed(uri: &str) -> Cow<'_, str> {
    if !uri.contains('\\') {
        return Cow::Borrowed(uri);
    }
    let (head, tail) = split_before(uri, &PATH);
    Cow::Owned(head.replace('\\', "/") + tail)
}

fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    if scheme.is_empty() || !scheme.bytes().all(valid) || scheme.eq_ignore_ascii_case("javascript") {
        return None;
    }
    Some((scheme, rest.strip_prefix("//")?))
}

/// Splits before the first byte outside of `set`, which has to hold all that is not ASCII.
fn split_before<'a>(text: &'a str, set: &ByteSet) -> (&'a str, &'a str) {
    let end = text.bytes().position(|byte| !set.contains(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// Splits around the first `$hc/`.
fn split_at_marker(path: &str) -> (&str, &str) {
    const MARKER: &str = "$hc/";
    let found = path.match_indices('$').find_map(|(at, _)| {
        let (before, rest) = path.split_at(at);
        Some((before, rest.strip_prefix(MARKER)?))
    });
    found.unwrap_or((path, ""))
}

fn without_breaks(authority: &str) -> Cow<'_, str> {
    let is_break = |c: char| matches!(c, '\t' | '\n' | '\r');
    if authority.bytes().any(|byte| is_break(char::from(byte))) {
        Cow::Owned(authority.replace(is_break, ""))
    } else {
        Cow::Borrowed(authority)
    }
}

/// JavaScript's `decodeURIComponent`.
///
/// # Errors
/// `InvalidFormat` for what is not well-formed, as user name or password of a URI.
pub fn decode_component(text: &str) -> Result<Cow<'_, str>, RelayError> {
    let malformed = text.split('%').skip(1).any(|after| {
        let mut digits = after.bytes();
        !(digits.next().is_some_and(|b| b.is_ascii_hexdigit())
            && digits.next().is_some_and(|b| b.is_ascii_hexdigit()))
    });
    if malformed {
        return Err(invalid("the URI has a malformed user name or password"));
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| invalid("the URI has a malformed user name or password"))
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
    let (name, misplaced) = if is_ipv6 { (name, "") } else { split_before(name, &HOST_NAME) };
    // JavaScript counts UTF-16 units, which are never more than the bytes.
    if name.len() > 255 && name.encode_utf16().count() > 255 {
        return Err(invalid("the URI has a host name that is too long"));
    }
    let mut host = String::with_capacity(name.len() + port.len() + 1);
    if name.is_ascii() && (is_ipv6 || !name.contains("--")) {
        // Nothing that IDNA could change but the case.
        host.push_str(name);
        host.make_ascii_lowercase();
    } else if is_ipv6 {
        host = name.to_lowercase();
    } else {
        host = idna_host(&name.to_lowercase())?;
    }
    let allowed = if is_ipv6 { &IPV6_HOST } else { &HOST };
    if host.is_empty() || !host.bytes().all(|byte| allowed.contains(byte)) {
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

/// The schemes that always have a path.
fn is_slashed(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ftp" | "gopher" | "file" | "ws" | "wss")
}

#[cfg(test)]
mod tests;
