//! Heads and chunks as they go out: the one place where names and values become header lines.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

use super::headers::{is_token, is_value};
use crate::error::{ErrorKind, RelayError};

/// What a head has room for at first; a token and the lines of a handshake take about half of it.
const ROOM: usize = 1024;

/// Complete header lines, each ending in CRLF. No name and no value can begin a line of its own, whoever chose it. They
/// hold tokens, so they are wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderLines {
    lines: Zeroizing<String>,
    sound: bool,
}

impl HeaderLines {
    /// Adds a line. One that HTTP does not allow is left out, and spoils the whole head, which is refused then.
    pub fn push(&mut self, name: &str, value: &str) {
        if !is_token(name) || !is_value(value) {
            self.sound = false;
            return;
        }
        let needed = self.lines.len() + name.len() + value.len() + 4;
        if needed > self.lines.capacity() {
            // By hand: a string that grows by itself leaves what it held behind.
            let mut grown = Zeroizing::new(String::with_capacity(needed.max(2 * self.lines.capacity())));
            grown.push_str(&self.lines);
            self.lines = grown;
        }
        for part in [name, ": ", value, "\r\n"] {
            self.lines.push_str(part);
        }
    }

    /// The head of a request as it goes out, text as Latin-1 as Node sends it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where the parts would make another request than the one meant.
    pub fn request(&self, method: &str, target: &str) -> Result<Zeroizing<Vec<u8>>, RelayError> {
        let target_ok = !target.is_empty() && target.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        if !target_ok || !self.sound {
            let part = if target_ok { "headers" } else { "target" };
            return Err(RelayError::new(
                ErrorKind::InvalidArgument,
                format!("The handshake request's {part} contain characters that HTTP does not allow"),
            ));
        }
        Ok(self.behind(&[method, " ", target, " HTTP/1.1\r\n"]))
    }

    /// The head of a response as it goes out.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub fn response(&self, status: u16, reason: &str) -> Result<Zeroizing<Vec<u8>>, RelayError> {
        if !reason.is_ascii() || !is_value(reason) || !self.sound {
            let text = "The response's head contains characters that HTTP does not allow";
            return Err(RelayError::new(ErrorKind::InvalidArgument, text));
        }
        Ok(self.behind(&["HTTP/1.1 ", &status.to_string(), " ", reason, "\r\n"]))
    }

    fn behind(&self, first_line: &[&str]) -> Zeroizing<Vec<u8>> {
        let length: usize = first_line.iter().map(|part| part.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length + self.lines.len() + 2));
        for part in first_line {
            bytes.extend_from_slice(part.as_bytes());
        }
        if self.lines.is_ascii() {
            bytes.extend_from_slice(self.lines.as_bytes());
        } else {
            // Nothing in it is beyond Latin-1.
            bytes.extend(self.lines.chars().map(|c| c as u8));
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

impl Default for HeaderLines {
    fn default() -> Self {
        Self { lines: Zeroizing::new(String::with_capacity(ROOM)), sound: true }
    }
}

/// The lines, for tests and for the wire only.
impl Deref for HeaderLines {
    type Target = str;

    fn deref(&self) -> &str {
        &self.lines
    }
}

impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<masked>")
    }
}

/// Adds a chunk to `out`; an empty one is the last.
pub fn put_chunk(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
