//! Where the body of a request goes that streams, piece by piece.

use std::sync::Arc;

/// One body on its way to the owner. It begins stopped: the owner asks for it.
pub trait BodyOutlet: Send + Sync {
    /// The owner wants more, or no more for now.
    fn flow(&self, flowing: bool);
    /// Whether more may be read. If not, the waker that the outlet was made with is called when that changes.
    fn may_read(&self) -> bool;
    /// What one read has brought, and whether it was the last of the body.
    fn deliver(&self, pieces: &[&[u8]], last: bool);
}

/// Has the body read on.
pub type BodyWaker = Arc<dyn Fn() + Send + Sync>;

/// For an owner that does not care for bodies.
pub struct NoOutlet;

impl BodyOutlet for NoOutlet {
    fn flow(&self, _: bool) {}

    fn may_read(&self) -> bool {
        true
    }

    fn deliver(&self, _: &[&[u8]], _: bool) {}
}
