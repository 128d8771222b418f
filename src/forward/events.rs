//! What the owner of a forwarder hears. Of bytes it hears nothing but their number.

use serde::{Serialize, Serializer};

use crate::error::RelayError;

/// One event, as JSON of camel case.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ForwardEvent {
    /// The local port or socket is bound.
    Bound {
        /// Its address, or its path.
        address: String,
        /// The port; none of a path.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    /// It could not be bound, or it is free again.
    Unbound {
        /// Why it could not.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "report_if_any")]
        error: Option<RelayError>,
    },
    /// Somebody has connected to the local port, and is to be dialled for.
    Client {
        /// The number of the stream that it is to become.
        stream: u64,
        /// Where from; empty for a unix socket.
        address: String,
        /// The same.
        port: u16,
    },
    /// The relayed connection is there, but what it is to be joined with is not known yet.
    Accepted {
        /// The stream's number, as in the following.
        stream: u64,
    },
    /// Bytes may pass.
    Open {
        #[allow(missing_docs)]
        stream: u64,
        /// The name that the sender asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The stream has never been open, and is gone.
    Refused {
        #[allow(missing_docs)]
        stream: u64,
        /// What the sender's handshake is answered with, where there is none to speak of yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The name that the sender asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Why.
        #[serde(serialize_with = "report")]
        error: RelayError,
    },
    /// The stream was open, and is gone.
    Ended {
        #[allow(missing_docs)]
        stream: u64,
        /// From the relay to this side.
        received: u64,
        /// From this side to the relay.
        sent: u64,
        /// Why it ended before both sides had.
        #[serde(skip_serializing_if = "Option::is_none", serialize_with = "report_if_any")]
        error: Option<RelayError>,
    },
    /// Nothing is open any more, and nothing will be. The last event.
    Closed,
}

fn report<S: Serializer>(error: &RelayError, serializer: S) -> Result<S::Ok, S::Error> {
    error.report().serialize(serializer)
}

fn report_if_any<S: Serializer>(error: &Option<RelayError>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(RelayError::report).serialize(serializer)
}

/// Takes the events of a forwarder, in order for each stream; must not block.
pub trait ForwardSink: Send + Sync + 'static {
    /// One event.
    fn forwarded(&self, event: ForwardEvent);
}

impl<F: Fn(ForwardEvent) + Send + Sync + 'static> ForwardSink for F {
    fn forwarded(&self, event: ForwardEvent) {
        self(event);
    }
}
