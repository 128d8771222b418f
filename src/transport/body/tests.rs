use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

fn head(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ResponseHead { version: "1.1", status, reason: String::new(), headers }
}

fn chunked() -> BodyReader {
    BodyReader::new(&head(500, &[("Transfer-Encoding", "gzip, Chunked")])).unwrap()
}

fn decode(reader: &mut BodyReader, input: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    reader.push(input, &mut out).map_err(|error| error.system.unwrap().code.into_owned())?;
    Ok(out)
}

#[test]
fn a_length_ends_the_body() {
    let mut reader = BodyReader::new(&head(404, &[("Content-Length", "5")])).unwrap();
    assert_eq!(decode(&mut reader, b"hel").unwrap(), b"hel");
    assert!(!reader.is_done());
    assert_eq!(decode(&mut reader, b"lo, what follows is dropped").unwrap(), b"lo");
    assert!(reader.is_done());
    assert!(reader.end().is_ok());
}

#[test]
fn some_responses_have_no_body() {
    for (status, headers) in
        [(204, vec![("Content-Length", "5")]), (304, vec![]), (401, vec![("Content-Length", "0")])]
    {
        assert!(BodyReader::new(&head(status, &headers)).unwrap().is_done());
    }
}

#[test]
fn a_length_that_makes_no_sense_is_refused() {
    for value in ["-1", "+5", "5x", "", "5, 6", "99999999999999999999999"] {
        let error = BodyReader::new(&head(400, &[("content-length", value)])).unwrap_err();
        assert_eq!(error.system.unwrap().code, "HPE_INVALID_CONTENT_LENGTH", "{value}");
    }
    let same = head(400, &[("content-length", "5"), ("Content-Length", "5, 5")]);
    assert!(!BodyReader::new(&same).unwrap().is_done());
}

#[test]
fn chunks_are_joined_and_trailers_dropped() {
    let mut reader = chunked();
    let text = b"5;ext=1\r\nhello\r\nA \r\n, chunked!\r\n0\r\nX-Trailer: 1\r\n\r\nHTTP/1.1";
    assert_eq!(decode(&mut reader, text).unwrap(), b"hello, chunked!"[..].to_vec());
    assert!(reader.is_done());
}

#[test]
fn malformed_chunks_are_refused() {
    for text in ["\r\n", "x\r\n", "5x\r\n", "1\r\nab", "fffffffffffffffff\r\n", ";\r\n"] {
        assert_eq!(
            decode(&mut chunked(), text.as_bytes()).unwrap_err(),
            "HPE_INVALID_CHUNK_SIZE",
            "{text:?}"
        );
    }
    let long = format!("1;{}", "e".repeat(MAX_OVERHEAD + 1));
    assert_eq!(decode(&mut chunked(), long.as_bytes()).unwrap_err(), "HPE_CHUNK_EXTENSIONS_OVERFLOW");
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MAX_OVERHEAD));
    assert_eq!(decode(&mut chunked(), trailers.as_bytes()).unwrap_err(), "HPE_CHUNK_EXTENSIONS_OVERFLOW");
}

#[test]
fn a_body_cut_short_is_aborted() {
    let mut until_close = BodyReader::new(&head(500, &[])).unwrap();
    assert_eq!(decode(&mut until_close, b"all of it").unwrap(), b"all of it");
    assert!(until_close.end().is_ok());
    assert!(until_close.is_done());
    let mut reader = chunked();
    decode(&mut reader, b"5\r\nhel").unwrap();
    let error = reader.end().unwrap_err();
    assert_eq!((error.message.as_str(), error.system.unwrap().code.as_ref()), ("aborted", "ECONNRESET"));
}

#[tokio::test]
async fn a_body_is_read_in_pieces_up_to_the_limit() {
    let length = head(404, &[("Content-Length", "8")]);
    let (mut near, far) = tokio::io::duplex(64);
    near.write_all(b"5678rest").await.unwrap();
    let mut body = read_body(far, &length, b"1234".to_vec(), 8).unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"1234");
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"5678");
    assert_eq!(body.chunk().await.unwrap(), None);
    assert_eq!(body.chunk().await.unwrap(), None);

    let mut body = read_body(&b"56"[..], &head(404, &[]), b"1234".to_vec(), 5).unwrap();
    assert_eq!(body.chunk().await.unwrap().unwrap(), b"1234");
    assert_eq!(body.chunk().await.unwrap_err().kind, ErrorKind::Limit);

    let mut body = read_body(&b""[..], &length, Vec::new(), 8).unwrap();
    assert_eq!(body.chunk().await.unwrap_err().message, "aborted");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_body(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..30), 0..6),
        cut in 1_usize..9,
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\n\r\n");
        let mut reader = chunked();
        let mut out = Vec::new();
        for piece in wire.chunks(cut) {
            prop_assert!(!reader.is_done());
            reader.push(piece, &mut out).unwrap();
        }
        prop_assert!(reader.is_done());
        prop_assert_eq!(out, chunks.concat());
    }

    #[test]
    fn garbage_never_panics(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let mut reader = chunked();
        for piece in pieces {
            if reader.push(&piece, &mut Vec::new()).is_err() {
                break;
            }
        }
    }
}
