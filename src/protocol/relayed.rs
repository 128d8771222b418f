//! A relayed request as the program gets it: what cannot be one is refused, and the headers that the relay has taken off
//! are put back.

use super::control::{MAX_METADATA, RequestHead};
use super::target::RequestTarget;
use crate::http::headers::{HeaderList, is_token, values};

/// The body of a relayed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayedBody {
    /// There is none.
    None,
    /// It is here, and has so many bytes.
    Whole(usize),
    /// It is still to come.
    Streams,
}

/// Whether a program could make anything of a request.
///
/// # Errors
/// The status that its sender gets, and why.
pub fn check(head: &RequestHead) -> Result<(), (u16, &'static str)> {
    if !is_token(&head.method) {
        return Err((400, "A request with a method that is none"));
    }
    let in_origin_form = head.target.is_empty() || head.target.starts_with('/');
    if !(in_origin_form || head.target == "*") || head.target.chars().any(|c| c <= ' ' || c == '\u{7f}') {
        return Err((400, "A request with a target that is not in origin form"));
    }
    let mut size = 0;
    for (name, value) in &head.headers {
        // Some of Node's own header parsing is done without its parser, which would look at these.
        if !is_token(name) || value.chars().any(|c| (c < ' ' && c != '\t') || c == '\u{7f}') {
            return Err((400, "A request with a header that is none"));
        }
        size += name.len() + value.len();
    }
    if size > MAX_METADATA {
        return Err((431, "A request with more than 32 KiB of headers"));
    }
    Ok(())
}

/// Path and query: without what is the relay's own, should any of it be left.
pub fn program_target(target: String) -> String {
    if target.is_empty() {
        return "/".to_owned();
    }
    if !target.contains('?') || !target.to_ascii_lowercase().contains("sb-hc-") {
        return target;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    // Not rebuilt where there is nothing to take out: an odd query stays as it is.
    match RequestTarget::parse(&target).and_then(|parsed| parsed.user_query()) {
        Some(kept) if kept.len() == query.len() => target,
        Some(kept) => format!("{path}?{kept}"),
        None => path.to_owned(),
    }
}

/// The headers with what says that there is a body, without which a program finds none, and with the `host` of the relay
/// where the message has none.
pub fn program_headers(mut headers: HeaderList, host: &str, body: RelayedBody) -> HeaderList {
    let framing = |name: &str| {
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
    };
    headers.retain(|(name, _)| !framing(name));
    match body {
        RelayedBody::None => {}
        RelayedBody::Whole(length) => headers.push(("Content-Length".to_owned(), length.to_string())),
        RelayedBody::Streams => headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned())),
    }
    if values(&headers, "host").next().is_none() {
        headers.insert(0, ("Host".to_owned(), host.to_owned()));
    }
    headers
}

#[cfg(test)]
mod tests;
