//! What all streams of a forwarder have in common.

use std::time::Duration;

use crate::keep_alive::KeepAlive;
use crate::socket::Tuning;

/// Limits and habits.
#[derive(Debug, Clone)]
pub struct ForwardOptions {
    /// For the dial of a target.
    pub connect_timeout: Duration,
    /// For the peer's part of the preamble.
    pub preamble_timeout: Duration,
    /// Pings and dead-peer detection of relayed connections.
    pub keep_alive: Option<KeepAlive>,
    /// Switches for tests.
    pub tuning: Tuning,
}
