use proptest::prelude::*;

use super::headers::{has_member, joined, merged, values};
use super::*;
use crate::http::HeaderLines;
use crate::mutations::mutated;

const LIMIT: usize = 64 * 1024;

fn head(text: &str) -> ResponseHead {
    parse_response(text.as_bytes()).unwrap().unwrap().0
}

fn refused(text: &[u8]) -> Malformed {
    feed(HeadReader::response(LIMIT), text, &[]).unwrap_err()
}

/// What comes of `bytes`, cut at `cuts`, and of the end of the connection; with the head, what follows it.
fn feed<H>(
    mut reader: HeadReader<H>,
    bytes: &[u8],
    cuts: &[usize],
) -> Result<Option<(H, Vec<u8>)>, Malformed> {
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, tail) = rest.split_at(cut.min(rest.len()));
        rest = tail;
        if let Some((head, mut after)) = reader.push(piece)? {
            after.extend_from_slice(rest);
            return Ok(Some((head, after)));
        }
    }
    reader.end().map(|()| None)
}

#[test]
fn the_reason_phrase_is_kept_verbatim() {
    let relay = "Endpoint does not exist.  TrackingId:0f_G13, SystemTracker:sb://n/x ";
    assert_eq!(head(&format!("HTTP/1.1 404 {relay}\r\n\r\n")).reason, relay);
    assert_eq!(head("HTTP/1.1 404\r\n\r\n").reason, "");
    assert_eq!(head("HTTP/1.0 404 \r\n\r\n").reason, "");
    let (latin, _) = parse_response(b"HTTP/1.1 400 caf\xe9 \xff\r\nX: \xe9\r\n\r\n").unwrap().unwrap();
    assert_eq!(latin.reason, "caf\u{e9} \u{ff}");
    assert_eq!(joined(&latin.headers, "x").unwrap(), "\u{e9}");
}

#[test]
fn headers_are_found_in_any_case_and_joined() {
    let head = head("HTTP/1.1 200 OK\r\nX-A: 1\r\nB:  two words \r\nx-a: 2\r\nE:\r\n\r\n");
    assert_eq!((head.version, head.status), ("1.1", 200));
    assert_eq!(joined(&head.headers, "X-a").as_deref(), Some("1, 2"));
    assert_eq!(joined(&head.headers, "b").as_deref(), Some("two words"));
    assert_eq!(joined(&head.headers, "e").as_deref(), Some(""));
    assert_eq!(joined(&head.headers, "none"), None);
    assert_eq!(values(&head.headers, "x-a").collect::<Vec<_>>(), ["1", "2"]);
    assert!(has_member(&head.headers, "X-A", "2") && !has_member(&head.headers, "X-A", "1, 2"));
    assert_eq!(
        merged(&head.headers, &["b"]),
        [("X-A".to_owned(), "1, 2".to_owned()), ("E".to_owned(), String::new())]
    );
    let json = serde_json::to_value(&head).unwrap();
    assert_eq!(json["headers"][0], serde_json::json!(["X-A", "1"]));
    assert_eq!(json["version"], "1.1");
}

#[test]
fn malformed_heads_have_the_code_and_text_of_node() {
    let cases: [(&[u8], &'static str, &'static str); 10] = [
        (b"SSH-2.0-x\r\n", "HPE_INVALID_CONSTANT", "Expected HTTP/, RTSP/ or ICE/"),
        (b"X", "HPE_INVALID_CONSTANT", "Expected HTTP/, RTSP/ or ICE/"),
        (b"HTTP/3.1 200 OK\r\n\r\n", "HPE_INVALID_VERSION", "Invalid HTTP version"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "HPE_INVALID_STATUS", "Invalid status code"),
        (b"HTTP/1.1 200 O\x01K\r\n\r\n", "HPE_INVALID_STATUS", "Invalid status code"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HPE_INVALID_HEADER_TOKEN", "Invalid header token"),
        (b"HTTP/1.1 200 OK\r\na: 1\r\n folded\r\n\r\n", "HPE_INVALID_HEADER_TOKEN", "Invalid header token"),
        (b"HTTP/1.1 200 OK\r\na: 1\x01\r\n\r\n", "HPE_INVALID_HEADER_TOKEN", "Invalid header value char"),
        (b"HTTP/1.1 200 OK\n\r\n", "HPE_CR_EXPECTED", "Missing expected CR after response line"),
        (b"HTTP/1.1 200 OK\r\na: 1\n\r\n", "HPE_CR_EXPECTED", "Missing expected CR after header value"),
    ];
    for (text, code, message) in cases {
        assert_eq!(refused(text), Malformed::new(code, message), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn the_number_of_headers_is_limited() {
    let lines = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(head(&lines(MAX_HEADERS)).headers.len(), MAX_HEADERS);
    assert_eq!(refused(lines(MAX_HEADERS + 1).as_bytes()).code, "HPE_HEADER_OVERFLOW");
}

#[test]
fn a_request_is_read_as_a_response_is() {
    let text = b"\r\nPOST /$hc/h?x=<a> HTTP/1.0\r\nX: caf\xe9\r\n\r\nafter";
    let (head, after) = feed(HeadReader::request(LIMIT), text, &[]).unwrap().unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str(), head.version), ("POST", "/$hc/h?x=<a>", "1.0"));
    assert_eq!((head.headers, after), (vec![("X".to_owned(), "caf\u{e9}".to_owned())], b"after".to_vec()));
    for (text, code) in [
        ("\x16\x03\x01\x02", "HPE_INVALID_CONSTANT"),
        ("GET / HTTP/1.1\r\na: 1\r\n folded\r\n\r\n", "HPE_INVALID_HEADER_TOKEN"),
        ("GET / HTTP/1.1\r\na: 1\n\r\n", "HPE_CR_EXPECTED"),
    ] {
        assert_eq!(
            feed(HeadReader::request(LIMIT), text.as_bytes(), &[]).unwrap_err().code,
            code,
            "{text:?}"
        );
    }
}

#[test]
fn the_limit_is_the_same_however_a_head_is_cut() {
    let text = b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for cut in 0..text.len() {
        assert!(feed(HeadReader::response(text.len()), text, &[cut]).unwrap().is_some());
        assert_eq!(
            feed(HeadReader::response(text.len() - 1), text, &[cut]).unwrap_err(),
            Malformed::OVERFLOW
        );
        // What follows the head does not count.
        let more = [&text[..], b"more"].concat();
        assert!(feed(HeadReader::response(text.len()), &more, &[cut]).unwrap().is_some());
    }
}

/// Answers of the service, of proxies, and of those who mean ill.
const CORPUS: [&str; 5] = [
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\u{1}\u{2}",
    "HTTP/1.1 404 The endpoint does not exist. TrackingId:5b0c_G12, SystemTracker:ns:hyco, Timestamp:x\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "\r\n\r\nHTTP/1.1 200\r\nX:\r\n\r\n",
];

const SPLICES: [&[u8]; 10] =
    [b"\r\n", b"\n", b"\r", b"\0", b":", b" \t", b"\xff\xfe", b"HTTP/1.1 101 ", b"99999999999", b"\r\n "];

/// Requests of senders and listeners.
const REQUESTS: [&str; 3] = [
    "GET /$hc/hyco?sb-hc-action=connect HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\u{1}\u{2}",
    "POST /hyco HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    "\r\nPUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX:\r\n\r\n0\r\n\r\n",
];

fn fields() -> impl Strategy<Value = HeaderList> {
    prop::collection::vec(
        (
            "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}",
            "([!-~\u{80}-\u{ff}]([ -~\t\u{80}-\u{ff}]{0,20}[!-~\u{80}-\u{ff}])?)?",
        ),
        0..8,
    )
}

fn lines(fields: &[(String, String)]) -> HeaderLines {
    let mut lines = HeaderLines::default();
    for (name, value) in fields {
        lines.push(name, value);
    }
    lines
}

proptest! {
    #[test]
    fn a_response_that_is_written_is_read(
        interim in 0_usize..3,
        status in prop_oneof![Just(101_u16), 200_u16..=999],
        reason in "[ -~]{0,30}",
        fields in fields(),
        after in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = b"HTTP/1.1 103 Go on\r\nA: b\r\n\r\n".repeat(interim);
        bytes.extend_from_slice(&lines(&fields).response(status, &reason).unwrap());
        bytes.extend_from_slice(&after);
        for cut in 0..=bytes.len() {
            let (head, rest) = feed(HeadReader::response(LIMIT), &bytes, &[cut]).unwrap().unwrap();
            prop_assert_eq!((head.status, &head.reason, &head.headers, &rest), (status, &reason, &fields, &after));
        }
    }

    #[test]
    fn a_request_that_is_written_is_read(
        method in "[A-Z]{1,8}",
        target in "[!-~]{1,40}",
        fields in fields(),
        after in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = lines(&fields).request(&method, &target).unwrap().to_vec();
        bytes.extend_from_slice(&after);
        for cut in 0..=bytes.len() {
            let (head, rest) = feed(HeadReader::request(LIMIT), &bytes, &[cut]).unwrap().unwrap();
            prop_assert_eq!((&head.method, &head.target, &head.headers, &rest), (&method, &target, &fields, &after));
        }
    }

    #[test]
    fn however_it_is_cut_noise_is_the_same(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..600),
            "((HTTP/1\\.[012]|HTP/1.1) {0,2}[0-9]{0,4}[ \t]?[ -~]{0,20}|[A-Z]{1,3} [ -~]{0,9} HTTP/1\\.1)\r\n([ -~]{0,6}[:\n\r]?[ -~\\x00]{0,10}\r?\n){0,5}\r\n".prop_map(String::into_bytes),
        ],
        cuts in prop::collection::vec(1_usize..40, 0..12),
    ) {
        let response = || HeadReader::response(LIMIT);
        prop_assert_eq!(feed(response(), &bytes, &cuts), feed(response(), &bytes, &[]));
        let request = || HeadReader::request(LIMIT);
        prop_assert_eq!(feed(request(), &bytes, &cuts), feed(request(), &bytes, &[]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn mutated_heads_are_read_or_refused_however_they_are_cut(
        response in mutated(&CORPUS, &SPLICES),
        request in mutated(&REQUESTS, &SPLICES),
        cuts in prop::collection::vec(1_usize..31, 0..8),
    ) {
        let whole = feed(HeadReader::response(LIMIT), &response, &[]);
        prop_assert_eq!(&feed(HeadReader::response(LIMIT), &response, &cuts), &whole);
        if let Ok(Some((head, _))) = whole {
            prop_assert!(head.status == 101 || head.status >= 200);
            prop_assert!(!head.reason.contains(['\r', '\n']));
            prop_assert!(are_lines(&head.headers), "{:?}", head.headers);
        }
        let whole = feed(HeadReader::request(LIMIT), &request, &[]);
        prop_assert_eq!(&feed(HeadReader::request(LIMIT), &request, &cuts), &whole);
        if let Ok(Some((head, _))) = whole {
            prop_assert!(!head.target.contains(['\r', '\n', ' ']));
            prop_assert!(are_lines(&head.headers), "{:?}", head.headers);
        }
    }
}

fn are_lines(headers: &[(String, String)]) -> bool {
    headers.iter().all(|(name, value)| !name.is_empty() && !value.contains(['\r', '\n', '\0']))
}
