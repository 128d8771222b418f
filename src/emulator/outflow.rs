//! Bytes on their way out, written as far as they go at a time.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

/// What is to be written next, whole frames or chunks.
#[derive(Default)]
pub struct Outflow {
    bytes: Vec<u8>,
    /// So many of them are written.
    at: usize,
    unflushed: bool,
}

impl Outflow {
    /// Where more can be put.
    pub fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether all of it is out.
    pub fn is_out(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    /// Writes some, or flushes. Nothing is lost where this is dropped before it is done.
    ///
    /// # Errors
    /// The peer is gone.
    pub async fn advance(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let unwritten = self.bytes.get(self.at..).unwrap_or_default();
        if unwritten.is_empty() {
            writer.flush().await?;
            self.unflushed = false;
            return Ok(());
        }
        let count = writer.write(unwritten).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.at += count;
        self.unflushed = true;
        if self.at >= self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        Ok(())
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The peer is gone.
    pub async fn finish(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !self.is_out() {
            self.advance(writer).await?;
        }
        Ok(())
    }
}
