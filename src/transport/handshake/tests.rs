use std::time::Duration;

use tokio::io::duplex;

use super::*;

const LIMIT: usize = 64 * 1024;

fn head(text: &str) -> ResponseHead {
    HeadReader::response(LIMIT).push(text.as_bytes()).unwrap().unwrap().0
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
    assert_eq!(joined(&head.headers, "Upgrade").as_deref(), Some("websocket"));
    assert!(leftover.is_empty());
    drop(peer.await.unwrap());
}

#[test]
fn the_request_ends_with_a_key() {
    let mut head = HeaderLines::default();
    head.push("Host", "h");
    let bytes = request("/p?q=1", &mut head, "KEY=").unwrap();
    assert_eq!(&**bytes, b"GET /p?q=1 HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: KEY=\r\n\r\n");
    assert_eq!(new_key().len(), 24);
    assert_ne!(new_key(), new_key());
}

#[test]
fn what_is_wrong_with_a_request_is_said_without_quoting_it() {
    let mut spoilt = HeaderLines::default();
    spoilt.push("A", "1\nB: secret");
    for (target, mut head) in [("/secret b", HeaderLines::default()), ("/", spoilt)] {
        let error = request(target, &mut head, "k").unwrap_err();
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
