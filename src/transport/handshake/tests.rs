use std::time::Duration;

use proptest::prelude::*;
use tokio::io::duplex;

use super::*;

const LIMIT: usize = 64 * 1024;

fn head(text: &str) -> ResponseHead {
    parse(text.as_bytes()).unwrap().unwrap().0
}

fn refused(text: &[u8]) -> (String, String) {
    let mut parser = HeadParser::new(LIMIT);
    let error = match parser.push(text) {
        Err(error) => error,
        Ok(None) => parser.end(),
        Ok(Some(done)) => panic!("accepted: {done:?}"),
    };
    (error.system.unwrap().code.into_owned(), error.message)
}

fn upgrade(key: &str, extra: &str) -> ResponseHead {
    let accept = derive_accept_key(key.as_bytes());
    head(&format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: {accept}\r\n{extra}\r\n"
    ))
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn the_reason_phrase_is_kept_verbatim() {
    let relay = "Endpoint does not exist.  TrackingId:0f_G13, SystemTracker:sb://n/x ";
    assert_eq!(head(&format!("HTTP/1.1 404 {relay}\r\n\r\n")).reason, relay);
    assert_eq!(head("HTTP/1.1 404\r\n\r\n").reason, "");
    assert_eq!(head("HTTP/1.0 404 \r\n\r\n").reason, "");
    let (latin, _) = parse(b"HTTP/1.1 400 caf\xe9 \xff\r\nX: \xe9\r\n\r\n").unwrap().unwrap();
    assert_eq!(latin.reason, "caf\u{e9} \u{ff}");
    assert_eq!(latin.get("x").unwrap(), "\u{e9}");
}

#[test]
fn headers_are_found_in_any_case_and_joined() {
    let head = head("HTTP/1.1 200 OK\r\nX-A: 1\r\nB:  two words \r\nx-a: 2\r\nE:\r\n\r\n");
    assert_eq!((head.version, head.status), ("1.1", 200));
    assert_eq!(head.get("X-a").as_deref(), Some("1, 2"));
    assert_eq!(head.get("b").as_deref(), Some("two words"));
    assert_eq!(head.get("e").as_deref(), Some(""));
    assert_eq!(head.get("none"), None);
    assert_eq!(head.get_all("x-a").collect::<Vec<_>>(), ["1", "2"]);
    let json = serde_json::to_value(&head).unwrap();
    assert_eq!(json["headers"][0], serde_json::json!(["X-A", "1"]));
    assert_eq!(json["version"], "1.1");
}

#[test]
fn malformed_heads_have_the_code_and_text_of_node() {
    let cases: [(&[u8], &str, &str); 10] = [
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
        let expected = (code.to_owned(), format!("Parse Error: {message}"));
        assert_eq!(refused(text), expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn the_number_of_headers_is_limited() {
    let lines = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
    assert_eq!(head(&lines(MAX_HEADERS)).headers.len(), MAX_HEADERS);
    assert_eq!(refused(lines(MAX_HEADERS + 1).as_bytes()).0, "HPE_HEADER_OVERFLOW");
}

#[tokio::test]
async fn the_size_of_the_head_is_limited() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(500));
    assert!(read_head(&mut long.as_bytes(), long.len()).await.is_ok());
    let error = read_head(&mut long.as_bytes(), long.len() - 1).await.unwrap_err();
    assert_eq!(error.message, "Parse Error: Header overflow");
    assert_eq!(error.kind, ErrorKind::Handshake);
    // Interim responses count too, or a peer could send them for ever.
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    let error = read_head(&mut endless.as_bytes(), 1000).await.unwrap_err();
    assert_eq!(error.system.unwrap().code, "HPE_HEADER_OVERFLOW");
}

#[tokio::test]
async fn interim_responses_are_skipped_and_bytes_after_the_head_are_kept() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 Up\r\n\r\n\x01\x02";
    let (head, leftover) = read_head(&mut text.as_bytes(), LIMIT).await.unwrap();
    assert_eq!((head.status, head.headers.len()), (101, 0));
    assert_eq!(leftover, [1, 2]);
}

#[tokio::test]
async fn an_early_end_is_a_hang_up() {
    for text in ["", "HTTP/1.1 101 Switching", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let error = read_head(&mut text.as_bytes(), LIMIT).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Network, "socket hang up"));
        assert_eq!(error.system.unwrap().code, "ECONNRESET");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_may_arrive_byte_by_byte() {
    let (mut here, mut there) = duplex(1);
    let peer = tokio::spawn(async move {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" {
            tokio::time::sleep(Duration::from_millis(1)).await;
            there.write_all(&[*byte]).await.unwrap();
        }
        there
    });
    let (head, leftover) = read_head(&mut here, LIMIT).await.unwrap();
    assert_eq!(head.get("Upgrade").as_deref(), Some("websocket"));
    assert!(leftover.is_empty());
    drop(peer.await.unwrap());
}

#[test]
fn the_request_ends_with_a_key() {
    let mut head = Head::default();
    head.push("Host", "h");
    let bytes = request("/p?q=1", &head, "KEY=").unwrap();
    assert_eq!(&**bytes, b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: KEY=\r\n\r\n");
    assert_eq!(new_key().unwrap().len(), 24);
    assert_ne!(new_key().unwrap(), new_key().unwrap());
}

#[test]
fn what_is_wrong_with_a_request_is_said_without_quoting_it() {
    let mut spoilt = Head::default();
    spoilt.push("A", "1\nB: secret");
    for (target, head) in [("/secret b", Head::default()), ("/", spoilt)] {
        let error = request(target, &head, "k").unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(!error.message.contains("secret"));
    }
}

#[test]
fn an_upgrade_is_checked_in_the_order_of_ws() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let bare = head("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!(check_upgrade(&bare, key, &[], false), Err("Invalid Upgrade header"));
    let twice = head("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(check_upgrade(&twice, key, &[], false), Err("Invalid Upgrade header"));
    let other = upgrade("x", "Sec-WebSocket-Protocol: a\r\n");
    assert_eq!(check_upgrade(&other, key, &[], false), Err("Invalid Sec-WebSocket-Accept header"));
    let accept = head(
        "HTTP/1.1 101 x\r\nupgrade: websocket\r\nSEC-WEBSOCKET-ACCEPT: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    assert_eq!(check_upgrade(&accept, key, &[], false), Ok(Negotiated::default()));
}

#[test]
fn a_subprotocol_must_be_one_of_those_requested() {
    let key = "k";
    let check = |sent: &str, asked: &[&str]| check_upgrade(&upgrade(key, sent), key, &names(asked), false);
    let a = "Sec-WebSocket-Protocol: a\r\n";
    assert_eq!(check(a, &[]), Err("Server sent a subprotocol but none was requested"));
    assert_eq!(check(a, &["b"]), Err("Server sent an invalid subprotocol"));
    assert_eq!(
        check("Sec-WebSocket-Protocol: a, b\r\n", &["a", "b"]),
        Err("Server sent an invalid subprotocol")
    );
    assert_eq!(check("Sec-WebSocket-Protocol:\r\n", &["b"]), Err("Server sent an invalid subprotocol"));
    assert_eq!(check("", &["b"]), Err("Server sent no subprotocol"));
    assert_eq!(check(a, &["b", "a"]).unwrap().protocol.as_deref(), Some("a"));
}

#[test]
fn an_extension_must_have_been_offered() {
    let key = "k";
    let head = upgrade(key, "Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b\r\n");
    assert_eq!(
        check_upgrade(&head, key, &[], false),
        Err("Server sent a Sec-WebSocket-Extensions header but no extension was requested")
    );
    assert_eq!(check_upgrade(&head, key, &[], true).unwrap().extensions.as_deref(), Some("a, b"));
}

/// Feeds `bytes` cut at `cuts`; the result must not depend on them.
fn feed(bytes: &[u8], cuts: &[usize]) -> Result<Option<(ResponseHead, Vec<u8>)>, String> {
    let mut parser = HeadParser::new(LIMIT);
    let mut rest = bytes;
    for cut in cuts {
        let (piece, tail) = rest.split_at((*cut).min(rest.len()));
        rest = tail;
        if let Some((head, mut leftover)) = parser.push(piece).map_err(|error| error.message)? {
            leftover.extend_from_slice(rest);
            return Ok(Some((head, leftover)));
        }
    }
    parser.push(rest).map_err(|error| error.message)
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), cuts in proptest::collection::vec(1_usize..40, 0..12)) {
        let _ = feed(&bytes, &cuts);
    }

    #[test]
    fn nearly_valid_heads_never_panic(
        line in "(HTTP/1\\.[012]|HTP/1.1) {0,2}[0-9]{0,4}[ \\t]?[ -~]{0,20}",
        rest in proptest::collection::vec("[ -~]{0,6}[:\\n\\r]?[ -~\\x00]{0,10}\\r?\\n", 0..6),
        cuts in proptest::collection::vec(1_usize..20, 0..12),
    ) {
        let text = format!("{line}\r\n{}\r\n", rest.concat());
        let _ = feed(text.as_bytes(), &cuts);
    }

    #[test]
    fn any_split_gives_the_same_head(
        reason in "[ -~]{0,30}",
        headers in proptest::collection::vec(("[A-Za-z-]{1,12}", "[!-~]([ -~]{0,20}[!-~])?"), 0..8),
        after in proptest::collection::vec(any::<u8>(), 0..40),
        cuts in proptest::collection::vec(1_usize..30, 0..20),
    ) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut bytes = format!("HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 101 {reason}\r\n{lines}\r\n").into_bytes();
        bytes.extend_from_slice(&after);
        let (head, leftover) = feed(&bytes, &cuts).unwrap().unwrap();
        prop_assert_eq!(head.reason, reason);
        prop_assert_eq!(head.headers, headers);
        prop_assert_eq!(leftover, after);
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

#[test]
fn mutated_heads_are_read_or_refused_however_they_are_cut() {
    let mut fuzz = crate::fuzz::Fuzz::new(0x5eed, &CORPUS, &SPLICES);
    for _ in 0..20_000 {
        let bytes = fuzz.variant();
        let whole = feed(&bytes, &[]);
        let cuts: Vec<usize> = (0..fuzz.below(8)).map(|_| 1 + fuzz.below(30)).collect();
        let parts = feed(&bytes, &cuts);
        match (&whole, &parts) {
            (Ok(Some((head, rest))), Ok(Some((other, others)))) => {
                assert_eq!(
                    (head.status, &head.reason, &head.headers, rest),
                    (other.status, &other.reason, &other.headers, others)
                );
                assert!(head.status == 101 || head.status >= 200);
                assert!(!head.reason.contains(['\r', '\n']));
                for (name, value) in &head.headers {
                    assert!(!name.is_empty() && !value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
                }
            }
            // Garbage in a line is found out when the line is over, or at the first look.
            (Ok(None), Ok(None)) | (Err(_), Err(_) | Ok(None)) => {}
            other => panic!("{other:?} for {:?} cut at {cuts:?}", String::from_utf8_lossy(&bytes)),
        }
    }
}
