use tokio::io::AsyncWriteExt;

use super::*;
use crate::error::ErrorKind;

fn head(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ResponseHead { version: "1.1", status, reason: String::new(), headers }
}

#[test]
fn what_is_malformed_has_the_code_and_text_of_node() {
    let error = read_body(&b""[..], &head(400, &[("Content-Length", "x")]), Vec::new()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Handshake);
    assert_eq!(error.message, "Parse Error: Invalid character in Content-Length");
    assert_eq!(error.system.unwrap().code, "HPE_INVALID_CONTENT_LENGTH");
    let chunked = head(400, &[("Transfer-Encoding", "chunked")]);
    let error = read_body(&b""[..], &chunked, b"x".to_vec()).unwrap().early().unwrap_err();
    assert_eq!(error.system.unwrap().code, "HPE_INVALID_CHUNK_SIZE");
}

#[tokio::test]
async fn a_body_is_read_in_pieces() {
    let length = head(404, &[("Content-Length", "8")]);
    let (mut near, far) = tokio::io::duplex(64);
    near.write_all(b"5678rest").await.unwrap();
    let mut body = read_body(far, &length, b"1234".to_vec()).unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"1234");
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"5678");
    assert_eq!(body.chunk().await.unwrap(), None);
    assert_eq!(body.chunk().await.unwrap(), None);

    let mut body = read_body(&b"56"[..], &head(404, &[]), b"1234".to_vec()).unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"1234");
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"56");
    assert_eq!(body.chunk().await.unwrap(), None);

    let mut body = read_body(&b""[..], &length, Vec::new()).unwrap();
    let error = body.chunk().await.unwrap_err();
    assert_eq!((error.message.as_str(), error.system.unwrap().code.as_ref()), ("aborted", "ECONNRESET"));
}
