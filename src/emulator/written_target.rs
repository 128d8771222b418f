//! How the service writes the target of an HTTP request to its listener.

use std::fmt::Write;

/// `target` as the service passes it on: what HTTP does not allow is escaped, the escapes of UTF-8 are in upper case, and
/// all else stays as it was sent.
pub fn as_passed_on(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    let mut rest = target;
    while let Some(c) = rest.chars().next() {
        let (this, behind) = rest.split_at(c.len_utf8());
        rest = behind;
        match c {
            '%' if is_high_escape(behind) => {
                let (digits, behind) = behind.split_at(2);
                out.push('%');
                out.push_str(&digits.to_ascii_uppercase());
                rest = behind;
            }
            '"' | '<' | '>' | ' ' | '\u{7f}'.. => {
                for byte in this.bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// The two digits of an octet beyond ASCII, of which UTF-8 has only such.
fn is_high_escape(digits: &str) -> bool {
    let digits = digits.as_bytes();
    let (Some(first), Some(second)) = (digits.first(), digits.get(1)) else { return false };
    matches!(first, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F') && second.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_http_does_not_allow_is_changed() {
        for (sent, passed_on) in [
            ("/hyco?a=\"<>\"", "/hyco?a=%22%3C%3E%22"),
            ("/hyco/%C3%b8%2f%5b", "/hyco/%C3%B8%2f%5b"),
            ("/hyco?&&&", "/hyco?&&&"),
            ("/hyco?", "/hyco?"),
            ("/ø", "/%C3%B8"),
            ("/%", "/%"),
            ("/%e", "/%e"),
            ("/%eø", "/%e%C3%B8"),
            ("/%zz'{}|", "/%zz'{}|"),
        ] {
            assert_eq!(as_passed_on(sent), passed_on);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_passed_on_in_ascii_and_means_the_same(target in "\\PC*") {
            let once = as_passed_on(&target);
            prop_assert!(once.is_ascii());
            prop_assert_eq!(&as_passed_on(&once), &once);
            let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<_>>();
            prop_assert_eq!(decoded(&once), decoded(&target));
        }
    }
}
