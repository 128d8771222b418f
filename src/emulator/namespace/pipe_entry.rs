//! An established rendezvous, as the namespace knows it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::channel::EndOrder;
use crate::emulator::message_tap::PipeFigures;

/// What is known of an established rendezvous.
pub struct PipeEntry {
    /// `websocket` or `http`.
    pub kind: &'static str,
    /// The hybrid connection.
    pub path: String,
    /// The sender's tracking id, or the request's.
    pub id: String,
    /// The listener that it was offered to last.
    pub listener: String,
    /// Milliseconds since 1970.
    pub since: u64,
    /// How to end it.
    pub orders: mpsc::UnboundedSender<EndOrder>,
    /// What has passed while somebody records.
    pub figures: Arc<PipeFigures>,
}
