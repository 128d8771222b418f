//! The bytes that open a stream of Microsoft's azbridge: which port the sender wants, and whether it may have it. No IO.
//!
//! ```text
//!  sender    01 00 MM LL name    MM: 0 a stream, 1 datagrams; LL: bytes of the name, which is the logical port
//!  listener  01 00 MM            or a refusal, and a close frame behind it
//! ```

/// What both begin with.
const VERSION: [u8; 2] = [1, 0];
const STREAM: u8 = 0;
const DATAGRAMS: u8 = 1;
/// Bytes before the name.
const HEAD: usize = 4;

/// Bytes of a listener's answer.
pub const ANSWER: usize = 3;
/// Bytes of the longest request.
pub const LONGEST: usize = 4 + 255;

/// What a sender asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    /// The logical port.
    pub name: String,
    /// Datagrams, and not a stream.
    pub datagrams: bool,
}

/// What a listener says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortAnswer {
    /// Bytes of a stream may follow.
    Stream,
    /// Datagrams may follow.
    Datagrams,
    /// It does not know the version; here also: the name.
    Unknown,
    /// It forwards datagrams to that port, and no streams.
    DatagramsOnly,
    /// It forwards a stream to that port, and no datagrams.
    StreamsOnly,
}

/// Bytes that are no preamble of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignPreamble;

/// A sender's request for a stream; `None` where the name is too long to be said.
pub fn request(name: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(name.len()).ok()?;
    Some([&[VERSION[0], VERSION[1], STREAM, length], name.as_bytes()].concat())
}

/// Reads a request from the start of `bytes`, and gives how many of them it has; `None` where more have to come.
///
/// # Errors
/// At the first byte that no request of this version has, or for a name that is not UTF-8.
pub fn read_request(bytes: &[u8]) -> Result<Option<(PortRequest, usize)>, ForeignPreamble> {
    let datagrams = read_head(bytes)? == Some(DATAGRAMS);
    let Some(length) = bytes.get(HEAD - 1) else { return Ok(None) };
    let end = HEAD + usize::from(*length);
    let Some(name) = bytes.get(HEAD..end) else { return Ok(None) };
    let name = std::str::from_utf8(name).map_err(|_| ForeignPreamble)?.to_owned();
    Ok(Some((PortRequest { name, datagrams }, end)))
}

/// A listener's answer.
pub fn answer(answer: PortAnswer) -> [u8; ANSWER] {
    match answer {
        PortAnswer::Stream => [VERSION[0], VERSION[1], STREAM],
        PortAnswer::Datagrams => [VERSION[0], VERSION[1], DATAGRAMS],
        PortAnswer::Unknown => [0, 0, 0],
        PortAnswer::DatagramsOnly => [0, 0, 1],
        PortAnswer::StreamsOnly => [0, 0, 0xff],
    }
}

/// Reads an answer from the start of `bytes`; `None` where more have to come.
///
/// # Errors
/// At the first byte that no answer of this version has.
pub fn read_answer(bytes: &[u8]) -> Result<Option<PortAnswer>, ForeignPreamble> {
    if bytes.first() != Some(&0) {
        return Ok(read_head(bytes)?
            .map(|mode| if mode == DATAGRAMS { PortAnswer::Datagrams } else { PortAnswer::Stream }));
    }
    match *bytes {
        [0] | [0, 0] => Ok(None),
        [0, 0, 0, ..] => Ok(Some(PortAnswer::Unknown)),
        [0, 0, 1, ..] => Ok(Some(PortAnswer::DatagramsOnly)),
        [0, 0, 0xff, ..] => Ok(Some(PortAnswer::StreamsOnly)),
        _ => Err(ForeignPreamble),
    }
}

/// The version, and the mode behind it once that is there.
fn read_head(bytes: &[u8]) -> Result<Option<u8>, ForeignPreamble> {
    if bytes.iter().zip(VERSION).any(|(byte, expected)| *byte != expected) {
        return Err(ForeignPreamble);
    }
    match bytes.get(VERSION.len()) {
        None => Ok(None),
        Some(mode @ (&STREAM | &DATAGRAMS)) => Ok(Some(*mode)),
        Some(_) => Err(ForeignPreamble),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWERS: [PortAnswer; 5] = [
        PortAnswer::Stream,
        PortAnswer::Datagrams,
        PortAnswer::Unknown,
        PortAnswer::DatagramsOnly,
        PortAnswer::StreamsOnly,
    ];

    #[test]
    fn the_bytes_are_azbridges() {
        assert_eq!(request("3306").unwrap(), b"\x01\x00\x00\x043306");
        assert_eq!(request("").unwrap(), b"\x01\x00\x00\x00");
        let datagrams = PortRequest { name: "5U".into(), datagrams: true };
        assert_eq!(read_request(b"\x01\x00\x01\x025U"), Ok(Some((datagrams, 6))));
        assert_eq!(answer(PortAnswer::Stream), *b"\x01\x00\x00");
        assert_eq!(answer(PortAnswer::StreamsOnly), *b"\x00\x00\xff");
    }

    #[test]
    fn a_name_has_255_bytes_at_most() {
        let longest = "ü".repeat(127) + "x";
        let bytes = request(&longest).unwrap();
        assert_eq!(bytes.len(), LONGEST);
        assert_eq!(read_request(&bytes).unwrap().unwrap().0.name, longest);
        assert_eq!(request(&"ü".repeat(128)), None);
    }

    #[test]
    fn what_is_no_preamble_is_known_by_its_first_bytes() {
        for bytes in [&b"S"[..], b"\x00", b"\x02", b"\x01\x01", b"\x01\x00\x02", b"SSH-2.0", b"\x16\x03\x01"]
        {
            assert_eq!(read_request(bytes), Err(ForeignPreamble), "{bytes:?}");
        }
        assert_eq!(read_request(b"\x01\x00\x00\x02\xff\xfe"), Err(ForeignPreamble));
        for bytes in [&b"S"[..], b"\x01\x01", b"\x01\x00\x07", b"\x00\x01", b"\x00\x00\x02"] {
            assert_eq!(read_answer(bytes), Err(ForeignPreamble), "{bytes:?}");
        }
    }

    #[test]
    fn every_answer_is_read_as_what_it_says() {
        for given in ANSWERS {
            let bytes = answer(given);
            for cut in 0..ANSWER {
                assert_eq!(read_answer(&bytes[..cut]), Ok(None));
            }
            assert_eq!(read_answer(&bytes), Ok(Some(given)));
            assert_eq!(read_answer(&[&bytes[..], b"more"].concat()), Ok(Some(given)));
        }
    }

    proptest! {
        #[test]
        fn a_request_is_read_wherever_it_is_cut(name in ".{0,63}", behind in proptest::collection::vec(any::<u8>(), 0..20)) {
            let bytes = request(&name).unwrap();
            for cut in 0..bytes.len() {
                prop_assert_eq!(read_request(&bytes[..cut]), Ok(None));
            }
            let expected = PortRequest { name, datagrams: false };
            let all = [&bytes[..], &behind].concat();
            prop_assert_eq!(read_request(&all), Ok(Some((expected, bytes.len()))));
        }

        #[test]
        fn any_bytes_are_read_alike_in_pieces_and_whole(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), head in 0usize..5) {
            for (byte, start) in bytes.iter_mut().zip([1, 0, 0, 9]).take(head) {
                *byte = start;
            }
            let whole = read_request(&bytes);
            let first = (0..=bytes.len()).map(|cut| read_request(&bytes[..cut])).find(|read| *read != Ok(None));
            // An error may be known before all is there, and stays one.
            prop_assert_eq!(first.unwrap_or(Ok(None)), whole.clone());
            if let Ok(Some((_, used))) = whole {
                prop_assert!(used <= LONGEST);
            }
            let answered = read_answer(&bytes);
            let first = (0..=bytes.len()).map(|cut| read_answer(&bytes[..cut])).find(|read| *read != Ok(None));
            prop_assert_eq!(first.unwrap_or(Ok(None)), answered);
        }
    }
}
