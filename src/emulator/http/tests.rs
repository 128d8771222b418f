use super::*;
use crate::http::headers::merged;

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn head(text: &str) -> Result<(HttpRequestHead, Vec<u8>), HeadError> {
    block(read_head(&mut text.as_bytes(), Vec::new(), 2048))
}

const UPGRADE: &str = "GET /$hc/hyco HTTP/1.1\r\nHost: h\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n0: Sec-WebSocket-Extensions: x\r\n\r\n";

#[test]
fn a_head_is_read_with_its_quirks() {
    let (head, early) = head(&format!("{UPGRADE}early")).unwrap();
    assert_eq!(early, b"early");
    assert_eq!(joined(&head.headers, "0").as_deref(), Some("Sec-WebSocket-Extensions: x"));
    let upgrade = Upgrade::of(&head).unwrap();
    assert_eq!(upgrade.protocols, ["a", "b", "c"]);
    assert_eq!(upgrade.extensions, None);
    let pairs = merged(&head.headers, &["HOST", "connection"]);
    assert_eq!(pairs[0].0, "upgrade");
    assert!(pairs.contains(&("Sec-WebSocket-Protocol".into(), "a, b, c".into())));

    let mut out = Vec::new();
    block(upgrade.accept(&mut out, Some("b"), None)).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains(
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: b\r\n\r\n"
        )
    );
}

#[test]
fn what_is_no_upgrade_is_told_so() {
    for (from, to, status) in [
        ("GET", "POST", 400),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("upgrade: WebSocket", "upgrade: h2c", 400),
        ("Upgrade\r\nSec", "close\r\nSec", 400),
        ("Version: 13", "Version: 8", 426),
        ("nonce", "", 0),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
    ] {
        let (head, _) = head(&UPGRADE.replace(from, to)).unwrap();
        assert_eq!(Upgrade::of(&head).map_or_else(|(status, _)| status, |_| 0), status, "{to}");
    }
}

#[test]
fn bad_heads_are_refused() {
    assert!(matches!(head("GET / HTTP/1.1\r\n"), Err(HeadError::Gone)));
    assert!(matches!(head("\x16\x03\x01\x02"), Err(HeadError::Bad(400, _))));
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(5000));
    assert!(matches!(head(&long), Err(HeadError::Bad(400, "Bad Request - Request Too Long"))));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(201));
    assert!(matches!(head(&many), Err(HeadError::Bad(400, _))));
}

#[test]
fn nothing_can_be_smuggled_into_a_response() {
    let headers = [("X".to_owned(), "a\r\nB: c\u{20ac}".to_owned()), ("bad name".to_owned(), "x".to_owned())];
    let head = response_head(200, "O\r\nK", &headers, Some(BodyLength::UntilClose), false).unwrap();
    assert_eq!(&**head, b"HTTP/1.1 200 O??K\r\nX: a  B: c?\r\nConnection: close\r\n\r\n");
}

#[test]
fn a_response_tells_where_its_body_ends() {
    for (status, expected) in [
        (404, &b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"[..]),
        (204, b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n"),
    ] {
        let mut out = Vec::new();
        block(respond(&mut out, status, "No", &[])).unwrap();
        assert_eq!(out, expected);
    }
    for (body, expected) in [
        (Some(BodyLength::Known(2)), &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"[..]),
        (Some(BodyLength::Chunked), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (None, b"HTTP/1.1 200 OK\r\n\r\n"),
    ] {
        assert_eq!(&**response_head(200, "OK", &[], body, true).unwrap(), expected);
    }
}

#[test]
fn what_came_behind_a_body_is_the_next_head() {
    let pipelined = b"\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\nrest".to_vec();
    let (head, early) = block(read_head(&mut &b""[..], pipelined, 2048)).unwrap();
    assert_eq!((head.target.as_str(), early.as_slice()), ("/b", &b"rest"[..]));
}
