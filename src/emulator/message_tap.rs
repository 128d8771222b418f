//! Looks at the frames of one direction of a pipe as they pass, and records each message with its beginning.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::record::{PassedMessage, RecordDetail};
use super::record_preview::RecordPreview;
use super::record_store::RecordStore;
use crate::frame::OpCode;
use crate::frame::header::Header;

/// What has passed in one direction, while somebody records.
#[derive(Debug, Default)]
pub struct WayFigures {
    /// Messages.
    pub messages: AtomicU64,
    /// Bytes of payload.
    pub bytes: AtomicU64,
    /// Bytes that wait for the receiver.
    pub buffered: AtomicU64,
}

/// The same for both.
#[derive(Debug, Default)]
pub struct PipeFigures {
    /// From the sender to the listener.
    pub to_listener: WayFigures,
    /// From the listener to the sender.
    pub to_sender: WayFigures,
}

/// What a tap needs to know of its connection.
#[derive(Clone)]
pub struct TappedPipe {
    /// The hybrid connection.
    pub path: Arc<str>,
    /// The sender's tracking id.
    pub id: Arc<str>,
    /// What is counted.
    pub figures: Arc<PipeFigures>,
}

/// One direction. Nothing is kept but the beginning of the message that passes.
pub struct MessageTap {
    store: Arc<RecordStore>,
    pipe: TappedPipe,
    to_listener: bool,
    message: Option<PassedMessage>,
    last_frame: bool,
    /// Recorded once those bytes are on their way.
    done: Vec<RecordDetail>,
}

impl MessageTap {
    /// A tap that waits for the beginning of a message.
    pub fn new(store: Arc<RecordStore>, pipe: TappedPipe, to_listener: bool) -> Self {
        Self { store, pipe, to_listener, message: None, last_frame: true, done: Vec::new() }
    }

    /// The counts of this direction.
    pub fn figures(&self) -> &WayFigures {
        let figures = &self.pipe.figures;
        if self.to_listener { &figures.to_listener } else { &figures.to_sender }
    }

    fn begun(&self, opcode: &'static str, text: bool) -> PassedMessage {
        PassedMessage {
            direction: if self.to_listener { "toListener" } else { "toSender" },
            opcode,
            size: 0,
            preview: RecordPreview { bytes: Vec::new(), text },
            cut: false,
            fragments: 0,
            compressed: false,
            incomplete: false,
        }
    }

    /// A data frame begins.
    pub fn head(&mut self, header: &Header) {
        match header.opcode {
            OpCode::Text => self.message = Some(self.begun("text", true)),
            OpCode::Binary => self.message = Some(self.begun("binary", false)),
            _ => {}
        }
        // Without a message this is the rest of one that began before anybody looked.
        let Some(message) = &mut self.message else { return };
        message.fragments += 1;
        message.compressed |= header.rsv1;
        message.preview.text &= !message.compressed;
        self.last_frame = header.fin;
        if header.fin && header.len == 0 {
            self.finish();
        }
    }

    /// Some of its payload; `ended` where that is the last of the frame.
    pub fn payload(&mut self, bytes: &[u8], ended: bool) {
        let taken = self.store.taken();
        let Some(message) = &mut self.message else { return };
        message.size += bytes.len() as u64;
        if !message.compressed {
            let room = taken - message.preview.bytes.len();
            message.preview.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        if ended && self.last_frame {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(mut message) = self.message.take() else { return };
        message.cut = message.size > self.store.preview() as u64;
        let figures = self.figures();
        figures.messages.fetch_add(1, Ordering::Relaxed);
        figures.bytes.fetch_add(message.size, Ordering::Relaxed);
        self.done.push(RecordDetail::Message(message));
    }

    /// A whole control frame. What a close frame says is recorded at the end of the pipe.
    pub fn control(&mut self, opcode: OpCode, payload: &[u8]) {
        let name = match opcode {
            OpCode::Ping => "ping",
            OpCode::Pong => "pong",
            _ => return,
        };
        let mut message = self.begun(name, false);
        message.fragments = 1;
        message.size = payload.len() as u64;
        message.cut = payload.len() > self.store.preview();
        message.preview.bytes = payload.to_vec();
        self.done.push(RecordDetail::Message(message));
    }

    /// Records what has passed.
    pub fn flush(&mut self) {
        if !self.done.is_empty() {
            self.store.push_all(&self.pipe.path, &self.pipe.id, self.done.drain(..));
        }
    }

    /// The pipe ends; what is under way will never be whole.
    pub fn end(&mut self) {
        if let Some(message) = &mut self.message {
            message.incomplete = true;
            self.finish();
        }
        self.flush();
    }
}
