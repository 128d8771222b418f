use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn told(head: &str) -> Value {
    let text = AnswerHead::parse(head).unwrap().text("1_G10", true);
    serde_json::from_str::<Value>(&text).unwrap()["response"].take()
}

#[test]
fn a_head_of_node_becomes_a_response() {
    let head = "HTTP/1.1 404 Not Found\r\nX-Powered-By: Express\r\nContent-Type: text/html; charset=utf-8\r\n\
                Content-Length: 9\r\nDate: Fri, 27 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\n\
                Keep-Alive: timeout=5\r\n\r\n";
    let expected = json!({
        "requestId": "1_G10", "statusCode": 404, "statusDescription": "Not Found", "body": true,
        "responseHeaders": {
            "X-Powered-By": "Express",
            "Content-Type": "text/html; charset=utf-8",
            "Date": "Fri, 27 Nov 2026 12:00:00 GMT"
        }
    });
    assert_eq!(told(head), expected);
}

#[test]
fn repeated_headers_are_joined_and_those_of_a_hop_are_left_out() {
    let head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nset-cookie: b=2\r\n\
                Connection: close, X-Hop\r\nx-hop: 1\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\
                Trailer: X-T\r\nUpgrade: h2c\r\nClose: x\r\nProxy-Connection: x\r\nEmpty:\r\nX-A: \t b \r\n\r\n";
    let expected = json!({
        "Set-Cookie": "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=2", "Empty": "", "X-A": "b"
    });
    assert_eq!(told(head)["responseHeaders"], expected);
}

#[test]
fn latin_1_stays_what_it_is_but_not_in_a_status_line() {
    let head = latin1(b"HTTP/1.1 200 \xc4rger\r\nX: \xe4\"\\\r\n\r\n");
    let told = told(&head);
    assert_eq!(
        (told["statusDescription"].as_str(), told["responseHeaders"]["X"].as_str()),
        (Some("?rger"), Some("\u{e4}\"\\"))
    );
    assert!(matches!(latin1(b"abc"), Cow::Borrowed("abc")));
    // Two bytes of UTF-8 are two characters here.
    assert_eq!(latin1("\u{e4}".as_bytes()), "\u{c3}\u{a4}");
}

#[test]
fn what_is_no_head_is_refused() {
    for head in [
        "",
        "\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    ] {
        assert_eq!(AnswerHead::parse(head).unwrap_err().kind, ErrorKind::InvalidArgument, "{head:?}");
    }
    let of =
        |size: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nA: {}\r\n\r\n", "x".repeat(size - 1));
    assert!(AnswerHead::parse(&of(MAX_METADATA)).is_ok());
    assert_eq!(AnswerHead::parse(&of(MAX_METADATA + 1)).unwrap_err().kind, ErrorKind::Limit);
}

#[test]
fn answers_without_a_body_are_known_by_their_status() {
    for (status, takes) in [(200, true), (204, false), (304, false), (404, true), (599, true)] {
        let head = format!("HTTP/1.1 {status} X\r\n\r\n");
        assert_eq!(AnswerHead::parse(&head).unwrap().takes_body(), takes);
    }
}

#[test]
fn writes_what_the_guide_shows() {
    let text = response("1_G10", 200, "OK", &[("X-A", "1".into())], true);
    let expected = r#"{"response":{"requestId":"1_G10","statusCode":200,"statusDescription":"OK","responseHeaders":{"X-A":"1"},"body":true}}"#;
    assert_eq!(text, expected);
    assert!(bare_response("7", 503).contains(r#""statusCode":503,"#));
    assert!(bare_response("7", 503).ends_with(r#""responseHeaders":{},"body":false}}"#));
}

proptest! {
    #[test]
    fn no_head_makes_anything_but_one_json_object(
        head in "(HTTP/1\\.1 [0-9]{3} )?[ -~\r\n\u{80}-\u{ff}:]{0,200}"
    ) {
        if let Ok(read) = AnswerHead::parse(&head) {
            let told: Value = serde_json::from_str(&read.text("x", false)).unwrap();
            prop_assert_eq!(told.as_object().unwrap().len(), 1);
            prop_assert_eq!(&told["response"]["statusCode"], read.status);
        }
    }
}
