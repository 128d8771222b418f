use proptest::prelude::*;

use super::*;
use crate::http::write::put_chunk;

fn head(status: u16, headers: &[(&str, &str)]) -> ResponseHead {
    let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    ResponseHead { version: "1.1", status, reason: String::new(), headers }
}

fn reader(status: u16, headers: &[(&str, &str)]) -> Result<BodyReader, Malformed> {
    BodyLength::of_response(&head(status, headers)).map(BodyReader::new)
}

fn chunked() -> BodyReader {
    reader(500, &[("Transfer-Encoding", "gzip, Chunked")]).unwrap()
}

fn decode(reader: &mut BodyReader, input: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    reader.push(input, &mut out).map_err(|malformed| malformed.code)?;
    Ok(out)
}

#[test]
fn what_follows_a_body_is_given_back() {
    let mut out = Vec::new();
    assert_eq!(BodyReader::new(BodyLength::Known(3)).push(b"abcGET /", &mut out).unwrap(), b"GET /");
    assert_eq!(chunked().push(b"1\r\nd\r\n0\r\n\r\nGET /", &mut out).unwrap(), b"GET /");
    assert_eq!(BodyReader::new(BodyLength::None).push(b"GET /", &mut out).unwrap(), b"GET /");
    assert_eq!(BodyReader::new(BodyLength::UntilClose).push(b"e", &mut out).unwrap(), b"");
    assert_eq!(out, b"abcde");
}

#[test]
fn a_length_ends_the_body() {
    let mut reader = reader(404, &[("Content-Length", "5")]).unwrap();
    assert_eq!(decode(&mut reader, b"hel").unwrap(), b"hel");
    assert!(!reader.is_done());
    assert_eq!(decode(&mut reader, b"lo, what follows is dropped").unwrap(), b"lo");
    assert!(reader.is_done());
    assert!(reader.end());
}

#[test]
fn some_responses_have_no_body() {
    for (status, headers) in
        [(204, vec![("Content-Length", "5")]), (304, vec![]), (401, vec![("Content-Length", "0")])]
    {
        assert!(reader(status, &headers).unwrap().is_done());
    }
}

#[test]
fn a_length_that_makes_no_sense_is_refused() {
    for value in ["-1", "+5", "5x", "", "5, 6", "99999999999999999999999"] {
        let malformed = reader(400, &[("content-length", value)]).unwrap_err();
        assert_eq!(malformed.code, "HPE_INVALID_CONTENT_LENGTH", "{value}");
    }
    let same = head(400, &[("content-length", "5"), ("Content-Length", "5, 5")]);
    assert_eq!(BodyLength::of_response(&same), Ok(BodyLength::Known(5)));
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
    let mut until_close = reader(500, &[]).unwrap();
    assert_eq!(decode(&mut until_close, b"all of it").unwrap(), b"all of it");
    assert!(until_close.end());
    assert!(until_close.is_done());
    let mut reader = chunked();
    decode(&mut reader, b"5\r\nhel").unwrap();
    assert!(!reader.end());
}

#[test]
fn a_body_may_have_any_number_of_chunks() {
    let text = "1\r\nx\r\n".repeat(2 * MAX_OVERHEAD);
    assert_eq!(decode(&mut chunked(), text.as_bytes()).unwrap().len(), 2 * MAX_OVERHEAD);
    assert_eq!(decode(&mut chunked(), b"1\r\nx\r\r\n").unwrap_err(), "HPE_INVALID_CHUNK_SIZE");
}

#[test]
fn lengths_of_requests_that_could_be_read_in_two_ways_are_refused() {
    let cases: [(&[(&str, &str)], _); 8] = [
        (&[("Content-Length", "0")], Some(BodyLength::None)),
        (&[("Content-Length", "12")], Some(BodyLength::Known(12))),
        (&[("Transfer-Encoding", "Chunked")], Some(BodyLength::Chunked)),
        (&[("Content-Length", "+1")], None),
        (&[("Content-Length", "1"), ("Content-Length", "1")], None),
        (&[("Content-Length", "1"), ("Transfer-Encoding", "chunked")], None),
        (&[("Transfer-Encoding", "gzip, chunked")], None),
        (&[], Some(BodyLength::None)),
    ];
    for (headers, length) in cases {
        let headers = head(0, headers).headers;
        let request = HttpRequestHead { method: "POST".into(), target: "/".into(), version: "1.1", headers };
        assert_eq!(BodyLength::of_request(&request).ok(), length, "{request:?}");
    }
}

/// What comes of `bytes` behind a head, cut at `cuts`.
fn feed(length: BodyLength, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Result<bool, &'static str>) {
    let (mut reader, mut out, mut rest) = (BodyReader::new(length), Vec::new(), bytes);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, tail) = rest.split_at(cut.min(rest.len()));
        rest = tail;
        if let Err(malformed) = reader.push(piece, &mut out) {
            return (out, Err(malformed.code));
        }
    }
    (out, Ok(reader.is_done()))
}

fn length() -> impl Strategy<Value = BodyLength> {
    prop_oneof![
        Just(BodyLength::None),
        (0_u64..40).prop_map(BodyLength::Known),
        Just(BodyLength::Chunked),
        Just(BodyLength::UntilClose),
    ]
}

proptest! {
    #[test]
    fn what_is_written_in_chunks_is_read(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..6),
        after in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut wire = Vec::new();
        for chunk in chunks.iter().map(Vec::as_slice).chain([&b""[..]]) {
            put_chunk(&mut wire, chunk);
        }
        let end = wire.len();
        wire.extend(after);
        for cut in 0..=wire.len() {
            prop_assert_eq!(feed(BodyLength::Chunked, &wire, &[cut]), (chunks.concat(), Ok(true)));
        }
        prop_assert_eq!(feed(BodyLength::Chunked, &wire[..end - 1], &[]), (chunks.concat(), Ok(false)));
    }

    #[test]
    fn however_it_is_cut_a_body_is_the_same(
        length in length(),
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..120),
            "([0-9a-f]{0,3}(;[a-z]{0,3}| )?\r?\n[a-f]{0,4}\r?\n){0,4}(0\r\n(a: b\r\n)?\r\n)?".prop_map(String::into_bytes),
        ],
        cuts in prop::collection::vec(1_usize..9, 0..20),
    ) {
        prop_assert_eq!(feed(length, &bytes, &cuts), feed(length, &bytes, &[]));
    }
}
