//! The answer to an opening handshake, however it is cut; then what its headers are checked and read for.
//!
//! The first byte says how the rest is cut.
#![no_main]

use std::pin::Pin;
use std::task::{Context, Poll};

use core_under_test::error::RelayError;
use core_under_test::frame::{DeflateOptions, negotiation};
use core_under_test::http::ResponseHead;
use core_under_test::http::headers::joined;
use core_under_test::transport::check_upgrade;
use core_under_test::transport::handshake::read_head;
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

const MAX_HEAD: usize = 2048;

/// Gives its bytes in pieces.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Pieces(bytes, size) = self.get_mut();
        let (piece, rest) = bytes.split_at(bytes.len().min(*size).min(to.remaining()));
        to.put_slice(piece);
        *bytes = rest;
        Poll::Ready(Ok(()))
    }
}

/// The head, and how much was read to get it.
fn read(bytes: &[u8], size: usize) -> Result<(ResponseHead, usize), RelayError> {
    let mut pieces = Pieces(bytes, size);
    let (head, after) = read_head(&mut pieces, MAX_HEAD).now_or_never().expect("nothing waits")?;
    let end = bytes.len() - pieces.0.len();
    assert!(bytes[..end].ends_with(&after) && end - after.len() <= MAX_HEAD);
    Ok((head, end - after.len()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    let (whole, cut) = (read(bytes, usize::MAX), read(bytes, usize::from(size).max(1)));
    let Ok((head, length)) = whole else { return assert!(cut.is_err()) };
    let (other, same) = cut.expect("what is a head in one piece is one in many");
    assert_eq!((&head, length), (&other, same));
    assert!(head.status == 101 || head.status >= 200);
    assert!(!head.reason.contains(['\r', '\n']));
    for (name, value) in &head.headers {
        assert!(!name.is_empty() && !value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
    let _ = (head.is_upgrade(), joined(&head.headers, "retry-after"));
    let _ = check_upgrade(&head, "dGhlIHNhbXBsZSBub25jZQ==", &["a".to_owned()], true);
    let _ = RelayError::refused(head.status, &head.reason);
    if let Some(extensions) = joined(&head.headers, "sec-websocket-extensions") {
        let _ = negotiation::answer(&extensions, &DeflateOptions::default());
    }
});
