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
    /// What passes is only counted: so many bytes so far.
    counting: Option<u64>,
    /// How many were only counted.
    counted: u64,
    last_frame: bool,
    /// Recorded once those bytes are on their way.
    done: Vec<RecordDetail>,
}

impl MessageTap {
    /// A tap that waits for the beginning of a message.
    pub fn new(store: Arc<RecordStore>, pipe: TappedPipe, to_listener: bool) -> Self {
        Self {
            store,
            pipe,
            to_listener,
            message: None,
            counting: None,
            counted: 0,
            last_frame: true,
            done: Vec::new(),
        }
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
            OpCode::Text | OpCode::Binary if !self.store.allows_message() => self.counting = Some(0),
            OpCode::Text => self.message = Some(self.begun("text", true)),
            OpCode::Binary => self.message = Some(self.begun("binary", false)),
            _ => {}
        }
        self.last_frame = header.fin;
        if let Some(message) = &mut self.message {
            message.fragments += 1;
            message.compressed |= header.rsv1;
            message.preview.text &= !message.compressed;
        }
        if header.fin && header.len == 0 {
            self.finish();
        }
    }

    /// Some of its payload; `ended` where that is the last of the frame.
    pub fn payload(&mut self, bytes: &[u8], ended: bool) {
        if let Some(size) = &mut self.counting {
            *size += bytes.len() as u64;
        }
        let taken = self.store.taken();
        if let Some(message) = &mut self.message {
            message.size += bytes.len() as u64;
            if !message.compressed {
                let room = taken - message.preview.bytes.len();
                message.preview.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
        }
        if ended && self.last_frame {
            self.finish();
        }
    }

    /// The rest of a message that began before anybody looked is neither recorded nor counted.
    fn finish(&mut self) {
        if let Some(size) = self.counting.take() {
            self.counted += 1;
            self.count(size);
        }
        if let Some(mut message) = self.message.take() {
            message.cut = message.size > self.store.preview() as u64;
            self.count(message.size);
            self.done.push(RecordDetail::Message(message));
        }
    }

    fn count(&self, size: u64) {
        let figures = self.figures();
        figures.messages.fetch_add(1, Ordering::Relaxed);
        figures.bytes.fetch_add(size, Ordering::Relaxed);
    }

    /// A whole control frame. What a close frame says is recorded at the end of the pipe.
    pub fn control(&mut self, opcode: OpCode, payload: &[u8]) {
        let name = match opcode {
            OpCode::Ping => "ping",
            OpCode::Pong => "pong",
            _ => return,
        };
        if !self.store.allows_message() {
            self.counted += 1;
            return;
        }
        let mut message = self.begun(name, false);
        message.fragments = 1;
        message.size = payload.len() as u64;
        message.cut = payload.len() > self.store.preview();
        message.preview.bytes = payload.to_vec();
        self.done.push(RecordDetail::Message(message));
    }

    /// Records what has passed.
    pub fn flush(&mut self) {
        if !self.done.is_empty() || self.counted > 0 {
            let counted = std::mem::take(&mut self.counted);
            self.store.push_all(&self.pipe.path, &self.pipe.id, self.done.drain(..), counted);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::record_store::RecordLimits;
    use crate::frame::{FramePiece, FrameReader, Role, encode};

    /// What a tap records of these frames: opcode, last, compressed, payload; read in pieces of `step` bytes.
    fn recorded(frames: &[(OpCode, bool, bool, &[u8])], step: usize) -> Vec<serde_json::Value> {
        let limits = RecordLimits { max_records: 100, max_bytes: 1 << 20, preview_bytes: 4 };
        let store = Arc::new(RecordStore::new(limits, Box::new(|| true)));
        let pipe = TappedPipe { path: "p".into(), id: "i".into(), figures: Arc::default() };
        let mut tap = MessageTap::new(Arc::clone(&store), pipe.clone(), true);
        let mut wire = Vec::new();
        for (opcode, fin, rsv1, payload) in frames {
            encode(&mut wire, *opcode, *fin, *rsv1, Some([1, 2, 3, 4]), payload);
        }
        let mut reader = FrameReader::new(Role::Server, true);
        for bytes in wire.chunks_mut(step) {
            let mut rest = bytes;
            while let Some(piece) = reader.next(&mut rest).unwrap() {
                match piece {
                    FramePiece::Head(header) => tap.head(&header),
                    FramePiece::Payload(bytes) => tap.payload(bytes, !reader.in_payload()),
                    FramePiece::Control(opcode, payload) => tap.control(opcode, &payload),
                }
            }
            tap.flush();
        }
        tap.end();
        serde_json::from_str(&store.read(0, 100)).unwrap()
    }

    #[test]
    fn any_pieces_give_the_same_messages() {
        let long = vec![b'x'; 2000];
        let frames: [(OpCode, bool, bool, &[u8]); 9] = [
            (OpCode::Text, false, false, b"ab"),
            (OpCode::Ping, true, false, b"p"),
            (OpCode::Continuation, false, false, b""),
            (OpCode::Continuation, true, false, b"cdef"),
            (OpCode::Binary, true, false, b""),
            (OpCode::Binary, true, true, b"\x01\x02"),
            (OpCode::Text, true, false, &long),
            (OpCode::Pong, true, false, b""),
            (OpCode::Text, false, false, b"never whole"),
        ];
        for step in [1, 3, 7, 5000] {
            let records = recorded(&frames, step);
            let told: Vec<_> = records
                .iter()
                .map(|record| {
                    let field = |name: &str| record[name].clone();
                    (field("type"), field("size"), field("cut"), field("fragments"), field("compressed"))
                })
                .collect();
            let expected = serde_json::json!([
                ["ping", 1, false, null, null],
                ["text", 6, true, 3, null],
                ["binary", 0, false, null, null],
                ["binary", 2, false, null, true],
                ["text", 2000, true, null, null],
                ["pong", 0, false, null, null],
                ["text", 11, true, null, null]
            ]);
            assert_eq!(serde_json::to_value(told).unwrap(), expected, "{step}");
            assert_eq!(records[3]["preview"], "");
            // The margin is kept for redaction, and cut off there.
            assert_eq!(records[4]["preview"].as_str().unwrap().len(), 4 + 256);
            assert_eq!(records[6]["incomplete"], true);
        }
    }
}
