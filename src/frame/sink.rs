//! Where decoded messages go.

/// The bytes of a message.
#[derive(Debug)]
pub enum Payload<'a> {
    /// Only valid during the call: a small message, or a large one that lay whole in one chunk.
    Borrowed(&'a [u8]),
    /// A large message that was put together here; the buffer is now the sink's.
    Owned(Vec<u8>),
}

impl std::ops::Deref for Payload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Payload::Borrowed(bytes) => bytes,
            Payload::Owned(bytes) => bytes,
        }
    }
}

/// Takes what was decoded, in the order of arrival.
pub trait Sink {
    /// A complete message. `fragments` has the lengths of its non-empty frames, inflated where they were
    /// compressed, if it came in more than one frame; else it is empty.
    fn message(&mut self, binary: bool, payload: Payload<'_>, fragments: &[u32]);
    /// A ping.
    fn ping(&mut self, payload: &[u8]);
    /// A pong.
    fn pong(&mut self, payload: &[u8]);
    /// The peer's close frame: the last event. The code is 1005 if the frame was empty.
    fn close(&mut self, code: u16, reason: &[u8]);
}
