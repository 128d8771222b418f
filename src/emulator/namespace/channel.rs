//! The way to one control channel: what it is sent, and how it is ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// How the relay ends a session.
#[derive(Debug, Clone)]
pub enum EndOrder {
    /// With a closing handshake.
    Close(u16, String),
    /// By cutting the connection.
    Cut {
        /// Half a frame is left behind.
        mid_frame: bool,
        /// RST instead of FIN.
        reset: bool,
    },
}

/// What the relay wants of a control channel, in order.
pub enum ChannelMessage {
    /// A text frame.
    Text(String),
    /// A sender or a request.
    Offer {
        /// A text frame.
        text: String,
        /// The binary message that belongs to it.
        body: Option<Vec<u8>>,
        /// Whom to tell that it is out; a message that is dropped unsent drops this end.
        sent: oneshot::Sender<()>,
    },
}

impl ChannelMessage {
    fn size(&self) -> usize {
        match self {
            ChannelMessage::Text(text) => text.len(),
            ChannelMessage::Offer { text, body, .. } => text.len() + body.as_ref().map_or(0, Vec::len),
        }
    }
}

/// Messages that wait for a listener which does not read.
const MAX_QUEUED: usize = 1024;
/// Their bytes, unless a single one has more.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// A message and its share of the room, which is free again when this is dropped.
pub type QueuedMessage = (ChannelMessage, OwnedSemaphorePermit);

/// The way to one control channel.
#[derive(Clone)]
pub struct ChannelQueue {
    messages: mpsc::Sender<QueuedMessage>,
    room: Arc<Semaphore>,
}

impl ChannelQueue {
    /// A queue and its other end.
    pub fn new() -> (Self, mpsc::Receiver<QueuedMessage>) {
        let (messages, inbox) = mpsc::channel(MAX_QUEUED);
        (Self { messages, room: Arc::new(Semaphore::new(MAX_QUEUED_BYTES)) }, inbox)
    }

    /// False where there is no room, or nobody any more.
    fn push(&self, message: ChannelMessage) -> bool {
        let size = message.size().min(MAX_QUEUED_BYTES) as u32;
        let Ok(share) = self.room.clone().try_acquire_many_owned(size) else { return false };
        self.messages.try_send((message, share)).is_ok()
    }
}

/// Who listens there, since when and until when.
pub struct ListenerOrigin {
    /// Where it comes from.
    pub remote_address: String,
    /// Milliseconds since 1970.
    pub since: u64,
    /// When its token expires, in Unix seconds.
    pub expires_at: AtomicI64,
}

/// A control channel, as those who offer it something see it.
#[derive(Clone)]
pub struct ChannelHandle {
    pub(super) key: u64,
    /// The GUID under which it registered.
    pub id: String,
    /// The name by which it knows the relay.
    pub authority: String,
    /// Who listens there.
    pub origin: Arc<ListenerOrigin>,
    pub(super) queue: ChannelQueue,
    pub(super) endings: mpsc::UnboundedSender<EndOrder>,
    /// Set once the relay has decided to end it, which is before its task hears of it.
    pub(super) ending: Arc<AtomicBool>,
}

impl ChannelHandle {
    /// Queues `message`; false where the listener does not keep up, or is being closed.
    pub fn send(&self, message: ChannelMessage) -> bool {
        self.queue.push(message)
    }

    /// A closing handshake is under way: nothing more is sent.
    pub fn is_closing(&self) -> bool {
        self.ending.load(Ordering::Relaxed) || self.queue.messages.is_closed()
    }

    /// Ends it; false for one that is gone. It counts as closing from here on, so that a sender which comes now is never
    /// offered to it.
    pub fn end(&self, ending: EndOrder) -> bool {
        self.ending.store(true, Ordering::Relaxed);
        self.endings.send(ending).is_ok()
    }
}
