//! What a program answers to a relayed request: the head as Node has written it, and the text that the relay gets instead.

use std::borrow::Cow;

use serde::Serialize;

use super::accept::header_safe;
use super::control::{MAX_METADATA, write};
use super::fields::as_header_map;
use crate::error::{ErrorKind, RelayError};
use crate::http::headers::{HOP_BY_HOP, is_token};

/// The head of a program's answer.
#[derive(Debug, PartialEq)]
pub struct AnswerHead<'a> {
    /// The status.
    pub status: u16,
    reason: &'a str,
    headers: Vec<(&'a str, Cow<'a, str>)>,
}

/// Bytes that are Latin-1 as text, without a copy where they are ASCII.
pub fn latin1(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

impl<'a> AnswerHead<'a> {
    /// Reads the status line and the header lines.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no head, `Limit` for more headers than the relay takes.
    pub fn parse(head: &'a str) -> Result<Self, RelayError> {
        let invalid = || RelayError::new(ErrorKind::InvalidArgument, "The head of the answer is not valid");
        let mut lines = head.split("\r\n");
        let (status, reason) = lines.next().and_then(status_line).ok_or_else(invalid)?;
        let mut read = Self { status, reason, headers: Vec::new() };
        let (mut named, mut size) = ("", 0);
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(invalid)?;
            let value = value.trim_matches([' ', '\t']);
            if !is_token(name) || value.contains(['\r', '\n', '\0']) {
                return Err(invalid());
            }
            if name.eq_ignore_ascii_case("connection") {
                named = value;
            }
            // The relay frames by itself what the sender gets.
            if !HOP_BY_HOP.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                size += name.len() + value.len();
                read.push(name, value);
            }
        }
        let names = |name: &str| named.split(',').any(|item| item.trim().eq_ignore_ascii_case(name));
        if !named.is_empty() {
            read.headers.retain(|(name, _)| !names(name));
        }
        if size > MAX_METADATA {
            let text = "The headers of the answer are larger than the 32 KiB that the relay takes";
            return Err(RelayError::new(ErrorKind::Limit, text));
        }
        Ok(read)
    }

    /// A map has one place for each name. A second `Set-Cookie` is joined as any other: nothing else keeps both, and who
    /// knows cookies can tell them apart.
    fn push(&mut self, name: &'a str, value: &'a str) {
        match self.headers.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, joined)) => {
                let joined = joined.to_mut();
                joined.push_str(", ");
                joined.push_str(value);
            }
            None => self.headers.push((name, Cow::Borrowed(value))),
        }
    }

    /// Whether an answer of this status has a body.
    pub fn takes_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// The text message that tells the relay, in answer to the request of that id; a body follows or not.
    pub fn text(&self, request_id: &str, body: bool) -> String {
        response(request_id, self.status, &header_safe(self.reason), &self.headers, body)
    }
}

/// The text message that starts the response to the request of that id; `headers` has each name once.
fn response(
    request_id: &str,
    status: u16,
    description: &str,
    headers: &[(&str, Cow<'_, str>)],
    body: bool,
) -> String {
    #[derive(Serialize)]
    struct ResponseText<'a> {
        response: ResponseFields<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ResponseFields<'a> {
        request_id: &'a str,
        status_code: u16,
        status_description: &'a str,
        #[serde(serialize_with = "as_header_map")]
        response_headers: &'a [(&'a str, Cow<'a, str>)],
        body: bool,
    }
    write(&ResponseText {
        response: ResponseFields {
            request_id,
            status_code: status,
            status_description: description,
            response_headers: headers,
            body,
        },
    })
}

/// The whole response of a listener that answers by itself.
pub fn bare_response(request_id: &str, status: u16) -> String {
    let description = match status {
        400 => "Bad Request",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    };
    response(request_id, status, description, &[], false)
}

/// Status and reason of `HTTP/1.1 200 OK`.
fn status_line(line: &str) -> Option<(u16, &str)> {
    let (_, rest) = line.strip_prefix("HTTP/1.")?.split_once(' ')?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = (status.len() == 3).then(|| status.parse().ok()).flatten()?;
    (200..=999).contains(&status).then_some((status, reason))
}

#[cfg(test)]
mod tests;
