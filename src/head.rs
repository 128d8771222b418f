//! The head of a request: the one place where names and values become header lines.

use std::fmt;
use std::ops::Deref;

use zeroize::Zeroizing;

use crate::error::{ErrorKind, RelayError};

/// What a head has room for at first; a token and the lines of a handshake take about half of it.
const ROOM: usize = 1024;

/// Complete header lines, each ending in CRLF. No name and no value can begin a line of its own, whoever chose it. They
/// hold tokens, so they are wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    lines: Zeroizing<String>,
    sound: bool,
}

impl Head {
    /// Adds a line. One that HTTP does not allow is left out, and spoils the whole head: [`Head::request`] refuses it.
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

    /// The request as it goes out, header text as Latin-1 as Node sends it.
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
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(method.len() + target.len() + self.lines.len() + 16));
        for part in [method, " ", target, " HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        // Nothing in it is beyond Latin-1.
        bytes.extend(self.lines.chars().map(|c| c as u8));
        bytes.extend_from_slice(b"\r\n");
        Ok(bytes)
    }
}

impl Default for Head {
    fn default() -> Self {
        Self { lines: Zeroizing::new(String::with_capacity(ROOM)), sound: true }
    }
}

/// The lines, for tests and for the wire only.
impl Deref for Head {
    type Target = str;

    fn deref(&self) -> &str {
        &self.lines
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<masked>")
    }
}

/// True for an RFC 9110 token, which header names and subprotocols are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// True for a byte that a token may have.
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What Node lets stand in a header's value: Latin-1 without control characters, but for tabs.
fn is_value(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | ' '..='~' | '\u{80}'..='\u{ff}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(lines: &[(&str, &str)]) -> Head {
        let mut head = Head::default();
        for (name, value) in lines {
            head.push(name, value);
        }
        head
    }

    #[test]
    fn a_request_is_put_together() {
        let request = head(&[("Host", "h"), ("X-A", "caf\u{e9}\t~")]).request("GET", "/p?q=1").unwrap();
        assert_eq!(&**request, b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\nX-A: caf\xe9\t~\r\n\r\n");
        assert_eq!(&**head(&[]).request("CONNECT", "h:1").unwrap(), b"CONNECT h:1 HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn what_would_make_another_request_is_refused() {
        for (name, value) in [
            ("X-A", "a\r\nEvil: yes"),
            ("X-A", "a\nb"),
            ("X-A", "a\rb"),
            ("X-A", "a\0"),
            ("X-A", "\u{7f}"),
            ("X-A", "\u{10d}\u{10a}"),
            ("X-A\r\nEvil", "yes"),
            ("X A", "a"),
            (" X", "a"),
            ("", "a"),
        ] {
            let spoilt = head(&[("Host", "h"), (name, value), ("X-B", "b")]);
            assert_eq!(&*spoilt, "Host: h\r\nX-B: b\r\n");
            let error = spoilt.request("GET", "/").unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidArgument);
            assert!(error.message.contains("headers"), "{}", error.message);
        }
        for target in ["", "/a b", "/\r\nHost: evil", "/\t", "/\u{7f}"] {
            let error = head(&[("Host", "h")]).request("GET", target).unwrap_err();
            assert!(error.message.contains("target"), "{}", error.message);
        }
    }

    #[test]
    fn it_grows_and_shows_nothing() {
        let value = "v".repeat(700);
        let long = head(&[("A", &value), ("B", &value), ("C", "c")]);
        assert_eq!(&*long, format!("A: {value}\r\nB: {value}\r\nC: c\r\n"));
        assert!(!format!("{long:?}").contains('v'));
    }

    proptest! {
        #[test]
        fn every_pair_is_one_line(name in any::<String>(), value in any::<String>()) {
            let head = head(&[(&name, &value)]);
            match head.request("GET", "/") {
                Ok(bytes) => prop_assert_eq!(bytes.split(|&byte| byte == b'\n').count(), 4),
                Err(_) => prop_assert!(head.is_empty()),
            }
        }
    }
}
