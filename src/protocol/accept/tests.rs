use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, RelayError};
use crate::http::headers::{is_token, is_value};

#[test]
fn a_rejection_uses_the_guides_spelling_and_form_encoding() {
    assert_eq!(
        reject_address("wss://h/$hc/x?sb-hc-action=accept&sb-hc-id=1", 401, "Not & here"),
        "wss://h/$hc/x?sb-hc-action=accept&sb-hc-id=1&sb-hc-statusCode=401&sb-hc-statusDescription=Not+%26+here"
    );
    assert_eq!(
        reject_address("wss://h/x", 400, "a\r\nSet-Cookie: ü"),
        "wss://h/x?sb-hc-statusCode=400&sb-hc-statusDescription=a++Set-Cookie%3A+%3F"
    );
    for odd in [0, 101, 200, 600, 65_535] {
        assert!(reject_address("wss://h/x", odd, "").contains("statusCode=502&"));
    }
    assert!(reject_address("wss://h/x", 503, &"x".repeat(100_000)).len() < 700);
}

#[test]
fn parameters_are_added_found_and_removed() {
    assert_eq!(with_parameter("/x", "a", "b c"), "/x?a=b+c");
    assert_eq!(with_parameter("/x?", "a", "1"), "/x?a=1");
    assert_eq!(with_parameter("/x?y=1&", "a", "1"), "/x?y=1&a=1");
    assert_eq!(query_parameter("/x?y=1&sb-hc-id=7", "sb-hc-id"), Some("7"));
    assert_eq!(query_parameter("/x", "sb-hc-id"), None);
    assert_eq!(without_parameter("/x?y=1&sb-hc-token=7&z", "sb-hc-token"), "/x?y=1&z");
    assert_eq!(without_parameter("/x?sb-hc-token=7", "sb-hc-token"), "/x");
}

fn request_with(extra: &[&str]) -> Result<String, RelayError> {
    let extra: Vec<String> = extra.iter().map(|line| (*line).to_owned()).collect();
    let bytes = rendezvous_head("h", None, None, &extra).request("GET", "/")?;
    Ok(bytes.iter().map(|byte| char::from(*byte)).collect())
}

#[test]
fn header_lines_cannot_smuggle_in_another() {
    assert!(request_with(&["X-A:  b: c "]).unwrap().ends_with("\r\nX-A: b: c\r\n\r\n"));
    // As Latin-1.
    assert!(request_with(&["X-A: \u{fc}"]).unwrap().ends_with("\r\nX-A: \u{fc}\r\n\r\n"));
    for line in [
        "",
        "no colon",
        "nocolon",
        ": x",
        "X A: b",
        "X\r\nY: b",
        "X: a\r\nY: b",
        "X: a\nb",
        "X: \0",
        "X: \u{10d}",
        "X : a",
        "a\r\nb: c",
    ] {
        assert_eq!(request_with(&[line]).expect_err(line).kind, ErrorKind::InvalidArgument);
    }
}

#[test]
fn the_head_of_a_rendezvous_is_the_handshakes_own() {
    let extra = ["X-A: 1".to_owned(), "Host: evil".to_owned(), "sec-websocket-KEY: x".to_owned()];
    let deflate = "permessage-deflate; client_max_window_bits";
    assert_eq!(
        &*rendezvous_head("h:8080", Some("chat"), Some(deflate), &extra),
        "Host: h:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nX-A: 1\r\n"
    );
    for (protocol, extensions) in [(Some("a\r\nX: y"), None), (None, Some("a\r\nX: y"))] {
        assert!(rendezvous_head("h", protocol, extensions, &[]).request("GET", "/").is_err());
    }
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*", status in any::<u16>()) {
        let _ = reject_address(&text, status, &text);
    }

    #[test]
    fn a_description_never_breaks_the_request_line(text in any::<String>()) {
        let address = reject_address("wss://h/$hc/x?a=1", 403, &text);
        prop_assert!(address.bytes().all(|b| b > b' ' && b < 0x7f));
        prop_assert!(header_safe(&text).bytes().all(|b| (b' '..=b'~').contains(&b)));
    }

    #[test]
    fn heads_are_whole_lines(extra in proptest::collection::vec("\\PC{0,20}", 0..4), protocol in "\\PC{0,8}") {
        let head = rendezvous_head("h", Some(&protocol), None, &extra);
        prop_assert!(head.ends_with("\r\n") && !head.contains("\r\n\r\n"));
        for line in head.split_terminator("\r\n") {
            let (name, value) = line.split_once(": ").unwrap();
            prop_assert!(is_token(name) && is_value(value));
        }
    }
}
