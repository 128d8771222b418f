//! What is fixed for the life of a socket.

use std::sync::Arc;

use super::assembling::Assembling;
use crate::keep_alive::KeepAlive;

/// Switches for tests: every fast path can be turned off, and IO cut into single bytes.
#[derive(Debug, Clone, Copy)]
pub struct Tuning {
    /// Write from the calling thread where the kernel takes it.
    pub direct_write: bool,
    /// Read large payloads straight into their final buffer.
    pub direct_read: bool,
    /// Look for more before waiting, where that has paid.
    pub spin: bool,
    /// Read and write one byte at a time.
    pub short_io: bool,
    /// More than this many bytes are left to the IO thread to write.
    pub direct_limit: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { direct_write: true, direct_read: true, spin: true, short_io: false, direct_limit: 256 * 1024 }
    }
}

/// The limits of a socket, which all sockets of a listener share.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Longest message, in bytes; 0 means no limit.
    pub max_payload: u64,
    /// Most frames of one message; 0 means no limit.
    pub max_fragments: u32,
    /// Take text as it comes.
    pub skip_utf8: bool,
    /// Bytes held for JavaScript before reading stops.
    pub high_water: usize,
    /// Bytes that may wait for the peer before the connection is given up; 0 means no limit.
    pub max_backlog: usize,
    /// Bounds what is held of unfinished messages, together with those of other sockets.
    pub assembling: Option<Arc<Assembling>>,
    /// Pings and dead-peer detection.
    pub keep_alive: Option<KeepAlive>,
}
