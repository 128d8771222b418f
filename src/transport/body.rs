//! The body of a response that is not an upgrade, read from its connection.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{tcp, tls};
use crate::error::RelayError;
use crate::http::{BodyLength, BodyReader, ResponseHead};

const READ_SIZE: usize = 16 * 1024;

/// A body being read from its connection.
#[derive(Debug)]
pub struct ResponseBody<S> {
    stream: S,
    reader: BodyReader,
    leftover: Vec<u8>,
}

/// Reads the body behind `head`; `leftover` came with the head.
///
/// # Errors
/// Node's `HPE_…` where the announced length makes no sense.
pub fn read_body<S>(stream: S, head: &ResponseHead, leftover: Vec<u8>) -> Result<ResponseBody<S>, RelayError>
where
    S: AsyncRead + Unpin,
{
    let reader = BodyReader::new(BodyLength::of_response(head)?);
    Ok(ResponseBody { stream, reader, leftover })
}

impl<S: AsyncRead + Unpin> ResponseBody<S> {
    /// What of the body came together with the head, and whether that is all of it.
    ///
    /// # Errors
    /// Node's `HPE_…` where the chunking is malformed.
    pub fn early(&mut self) -> Result<(Vec<u8>, bool), RelayError> {
        let mut piece = Vec::new();
        self.reader.push(&std::mem::take(&mut self.leftover), &mut piece)?;
        Ok((piece, self.reader.is_done()))
    }

    /// The next piece, never empty; `None` at the end of the body.
    ///
    /// # Errors
    /// The connection broke, or ended before the body did, and those of [`Self::early`].
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
        Ok((!piece.is_empty()).then_some(piece))
    }
}

#[cfg(test)]
mod tests;
