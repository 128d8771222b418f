//! One end of a pipe: what both directions know about it, and how it ends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::frames::put_frame;
use super::stream::{self, InboundStream};
use crate::frame::{self, FrameReader, OpCode, Role, split_close};
use crate::sync::lock;

/// What both directions know about one leg.
#[derive(Default)]
pub struct PipeLeg {
    /// The latest ping that is to be answered.
    pub ping: Mutex<Option<Vec<u8>>>,
    /// Told of it.
    pub pinged: Notify,
    /// The payload of the close frame that came in here.
    pub received_close: Mutex<Option<Vec<u8>>>,
    /// A close frame of ours is out here.
    pub sent_close: AtomicBool,
    /// What was written last ended in the middle of a frame.
    pub mid_frame: AtomicBool,
}

impl PipeLeg {
    /// The ping that is to be answered now.
    pub fn take_ping(&self) -> Option<Vec<u8>> {
        lock(&self.ping).take()
    }

    /// The close frame's payload.
    pub fn received_close(&self) -> Option<Vec<u8>> {
        lock(&self.received_close).clone()
    }

    /// What the close frame says; 1006 for none.
    pub fn goodbye(&self) -> (u16, String) {
        let said = self.received_close().map(|payload| {
            let (code, reason) = split_close(&payload);
            (code, String::from_utf8_lossy(reason).into_owned())
        });
        said.unwrap_or((1006, String::new()))
    }

    /// True while a frame of ours may be put in.
    pub fn open(&self) -> bool {
        !self.sent_close.load(Ordering::Relaxed) && !self.mid_frame.load(Ordering::Relaxed)
    }
}

/// One leg and its connection, at the end.
pub struct PipeHalf<'a> {
    /// What is known of it.
    pub leg: &'a PipeLeg,
    /// What it says.
    pub reader: ReadHalf<InboundStream>,
    /// What it is told.
    pub writer: WriteHalf<InboundStream>,
}

impl PipeHalf<'_> {
    /// Says goodbye where that is still possible, leaves time for an answer, and ends the connection.
    pub async fn finish(mut self, close: Option<Vec<u8>>) {
        if let Some(payload) = close.filter(|_| self.leg.open()) {
            let mut out = Vec::new();
            put_frame(&mut out, OpCode::Close, &payload);
            let goodbye = async {
                self.writer.write_all(&out).await?;
                self.writer.flush().await?;
                if self.leg.received_close().is_none() {
                    let mut sink = vec![0; 4096];
                    let mut frames = FrameReader::new(Role::Server, true);
                    while !frames.is_finished() {
                        let count = self.reader.read(&mut sink).await?;
                        let mut bytes = sink.get_mut(..count).unwrap_or_default();
                        if count == 0 {
                            break;
                        }
                        while let Ok(Some(_)) = frames.next(&mut bytes) {}
                    }
                }
                std::io::Result::Ok(())
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        }
        stream::finish(self.reader, self.writer).await;
    }

    /// Cuts the leg, after the beginning of a frame that will never be complete if so ordered.
    pub async fn cut(mut self, mid_frame: bool, reset: bool) {
        if mid_frame && self.leg.open() {
            let mut out = Vec::new();
            frame::encode_head(&mut out, OpCode::Binary, true, false, None, 1000);
            out.extend_from_slice(&[0; 10]);
            let write = async {
                self.writer.write_all(&out).await?;
                self.writer.flush().await
            };
            let _ = tokio::time::timeout(Duration::from_millis(100), write).await;
        }
        stream::cut(self.reader, self.writer, reset);
    }
}
