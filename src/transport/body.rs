//! The body of a response that is not an upgrade, read from its connection.

#![forbid(unsafe_code)]

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{tcp, tls};
use crate::error::{ErrorKind, RelayError};
use crate::http::{BodyLength, BodyReader, ResponseHead};

const READ_SIZE: usize = 16 * 1024;

/// A body being read from its connection.
#[derive(Debug)]
pub struct ResponseBody<S> {
    stream: S,
    reader: BodyReader,
    leftover: Vec<u8>,
    room: usize,
}

/// Reads the body behind `head`; `leftover` came with the head. At most `limit` bytes of body are given out.
///
/// # Errors
/// [`ErrorKind::Handshake`] with Node's `HPE_…` code where the announced length makes no sense.
pub fn read_body<S>(
    stream: S,
    head: &ResponseHead,
    leftover: Vec<u8>,
    limit: usize,
) -> Result<ResponseBody<S>, RelayError>
where
    S: AsyncRead + Unpin,
{
    let reader = BodyReader::new(BodyLength::of_response(head)?);
    Ok(ResponseBody { stream, reader, leftover, room: limit })
}

impl<S: AsyncRead + Unpin> ResponseBody<S> {
    /// What of the body came together with the head, and whether that is all of it.
    ///
    /// # Errors
    /// [`ErrorKind::Handshake`] with Node's `HPE_…` code where the chunking is malformed.
    pub fn early(&mut self) -> Result<(Vec<u8>, bool), RelayError> {
        let mut piece = Vec::new();
        self.reader.push(&std::mem::take(&mut self.leftover), &mut piece)?;
        Ok((piece, self.reader.is_done()))
    }

    /// The next piece, never empty; `None` at the end of the body.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] beyond the limit, [`ErrorKind::Network`] where the connection broke or ended before the body
    /// did, and those of [`Self::early`].
    pub async fn chunk(&mut self) -> Result<Option<Vec<u8>>, RelayError> {
        let mut piece = Vec::new();
        self.reader.push(&std::mem::take(&mut self.leftover), &mut piece)?;
        if piece.is_empty() && !self.reader.is_done() {
            let mut buffer = vec![0; READ_SIZE];
            while piece.is_empty() && !self.reader.is_done() {
                let count = match self.stream.read(&mut buffer).await {
                    Ok(count) => count,
                    // A server that ends without TLS's close_notify.
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                    Err(error) => {
                        return Err(tls::failure_in(&error).unwrap_or_else(|| tcp::io_error("read", &error)));
                    }
                };
                if count == 0 && !self.reader.end() {
                    return Err(tcp::reset("aborted"));
                }
                self.reader.push(buffer.get(..count).unwrap_or_default(), &mut piece)?;
            }
        }
        if piece.is_empty() {
            return Ok(None);
        }
        self.room = self.room.checked_sub(piece.len()).ok_or_else(|| {
            RelayError::new(ErrorKind::Limit, "The body of the response is larger than the limit")
        })?;
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests;
