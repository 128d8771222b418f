//! How a stream ends that does not end in order: what its owner hears of it, and what its peer does.

use std::io;

use super::wire::WireFailure;
use crate::error::RelayError;
use crate::transport::tcp;

/// Why a stream was cut.
pub(super) struct StreamFailure {
    /// What the owner hears.
    pub(super) error: Box<RelayError>,
    /// What the peer hears, if it can still hear anything.
    pub(super) close: Option<(u16, &'static str)>,
}

impl StreamFailure {
    /// The peer hears nothing any more.
    pub(super) fn cut(error: RelayError) -> Self {
        Self { error: Box::new(error), close: None }
    }

    /// The peer hears a close frame.
    pub(super) fn told(error: RelayError, code: u16, reason: &'static str) -> Self {
        Self { error: Box::new(error), close: Some((code, reason)) }
    }

    /// The relayed connection is of no use any more.
    pub(super) fn of_wire(failure: WireFailure) -> Self {
        match failure {
            WireFailure::Lost(_) => Self::cut(failure.into_error()),
            WireFailure::Broken(ref error) => {
                let code = error.status;
                Self::told(failure.into_error(), code, "The frames cannot be read")
            }
        }
    }

    /// The target, or whoever has come to the local port, is gone.
    pub(super) fn of_target(syscall: &'static str, error: &io::Error) -> Self {
        Self::told(tcp::io_error(syscall, error), 1011, "The target was reset")
    }
}
