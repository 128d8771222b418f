//! What a listener tells its owner, as data that serialises to the plain objects JavaScript sees.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::outlet::{BodyOutlet, BodyWaker, NoOutlet};
use crate::error::RelayError;
use crate::http::headers::HeaderList;
use crate::protocol::control::Accept;

/// State of one control channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ListenerState {
    /// The first dial, from the request for a token on.
    Connecting,
    /// Registered with the relay: senders reach us.
    Online,
    /// Lost or refused; another attempt is under way or waits.
    Reconnecting,
    /// Given up after a terminal error; `update_token` starts again.
    Offline,
    /// `close` was called and something is still open.
    Closing,
    /// All done.
    Closed,
}

/// One thing that happened.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ListenerEvent {
    /// A dial begins. `attempt` counts from 0 since the channel was last stable.
    Connecting {
        /// Number of the control channel, from 0.
        channel: u16,
        /// Retries before this dial.
        attempt: u32,
    },
    /// The channel is registered.
    Listening {
        /// Number of the control channel, from 0.
        channel: u16,
        /// True if it took over from a channel that was still up: no sender saw a gap.
        replaced: bool,
    },
    /// The channel is down and will be dialled again.
    Reconnecting {
        /// Number of the control channel, from 0.
        channel: u16,
        /// Number of the coming retry, from 1.
        attempt: u32,
        /// Milliseconds until then.
        delay: u64,
        /// What happened, in words.
        reason: String,
        /// The same as an error.
        #[serde(serialize_with = "report")]
        error: RelayError,
    },
    /// The channel is given up.
    Offline {
        /// Number of the control channel, from 0.
        channel: u16,
    },
    /// A token is needed: answer with `provide_token`.
    Token,
    /// No token could be made of the SAS rule; it is tried again.
    TokenFailed {
        /// Why.
        #[serde(serialize_with = "report")]
        error: RelayError,
    },
    /// A sender waits: answer with `accept` or `reject`.
    Offer {
        /// The listener's own number for it.
        id: u64,
        /// Host of the rendezvous, with its port where that is not the scheme's own.
        host: String,
        /// Path and query for the program.
        target: String,
        /// What the message said, as it was read here: a second reader might read another thing.
        /// The binding packs it in a way of its own.
        #[serde(skip)]
        accept: Box<Accept>,
        /// The status that the sender was turned away with already, for want of room: there is nothing to decide.
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<u16>,
    },
    /// An address of the relay is about to be dialled, and `rendezvous_hosts` leaves its host to the owner: answer with
    /// `admit_host`.
    Host {
        /// The question's number.
        id: u64,
        /// The number of the offer that it is about; 0 for a request.
        offer: u64,
        /// The host, as `URL.hostname` spells it.
        host: String,
    },
    /// The offer was rejected on the owner's behalf: it waited too long, or the listener closes.
    TurnedAway {
        /// The offer's number.
        id: u64,
        /// What the sender gets: 504 or 503.
        status: u16,
    },
    /// A sender has made an HTTP request: answer by its number.
    Request(Box<RelayedRequest>),
    /// A request has had no answer for 55 of the 60 seconds that the relay waits.
    SlowRequest {
        /// The exchange's number.
        number: u64,
    },
    /// So much more of the body of an answer that streams has left.
    AnswerSent {
        /// The exchange's number.
        number: u64,
        /// Bytes of the program's.
        bytes: u32,
    },
    /// An answer that streams is all out; or, with an error, nobody waits for an answer any more.
    ExchangeEnd {
        /// The exchange's number.
        number: u64,
        /// Why.
        #[serde(serialize_with = "report_if_any")]
        error: Option<RelayError>,
    },
    /// A request that waits at an address of its own could not be fetched: the program has not heard of it.
    RequestLost {
        /// Why.
        #[serde(serialize_with = "report")]
        error: RelayError,
    },
    /// A rejection did not get through.
    RejectFailed {
        /// The offer's number.
        id: u64,
        /// What came instead of 410.
        #[serde(serialize_with = "report")]
        error: RelayError,
    },
    /// A control message could not be used; the channel goes on.
    Malformed {
        /// Number of the control channel, from 0.
        channel: u16,
        /// What was wrong; never quotes the message.
        message: String,
    },
    /// A new token was sent on the channel.
    TokenRenewed {
        /// Number of the control channel, from 0.
        channel: u16,
        /// Milliseconds that it is good for, if it says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in: Option<u64>,
    },
    /// Something that the owner should act on.
    Error {
        /// Number of the control channel, from 0.
        channel: u16,
        /// What it is.
        #[serde(serialize_with = "report")]
        error: RelayError,
        /// True if the channel gave up because of it.
        terminal: bool,
    },
    /// Everything is closed; the last event.
    Closed,
}

/// A relayed HTTP request as the program gets it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayedRequest {
    /// The listener's own number for it and its answer.
    pub number: u64,
    /// The relay's id.
    pub id: String,
    /// `GET` …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The relay, as senders address it.
    pub host: String,
    /// Whether they do so by TLS.
    pub secure: bool,
    /// With what says that there is a body.
    pub headers: HeaderList,
    /// The sender as the relay sees it.
    pub remote_endpoint: Option<(String, u16)>,
    /// The body is still to come, by its outlet.
    pub streams: bool,
    /// The whole body, where there is one that does not stream.
    #[serde(skip)]
    pub body: Option<Bytes>,
}

fn report_if_any<S: Serializer>(error: &Option<RelayError>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(RelayError::report).serialize(serializer)
}

fn report<S: Serializer>(error: &RelayError, serializer: S) -> Result<S::Ok, S::Error> {
    error.report().serialize(serializer)
}

/// As JSON, but offers and requests without queries and headers, which hold credentials.
impl fmt::Debug for ListenerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerEvent::Offer { id, host, .. } => write!(f, "Offer {{ id: {id}, host: {host:?}, .. }}"),
            ListenerEvent::Request(request) => {
                let RelayedRequest { number, id, method, .. } = &**request;
                write!(f, "Request {{ number: {number}, id: {id:?}, method: {method:?}, .. }}")
            }
            other => f.write_str(&serde_json::to_string(other).unwrap_or_default()),
        }
    }
}

/// Takes the events of a listener. Called from the listener's tasks and from the caller's own thread; must not
/// block. It may call the listener's methods.
pub trait ListenerSink: Send + Sync + 'static {
    /// One event, in order per channel.
    fn event(&self, event: ListenerEvent);

    /// Where the body of a request goes that streams, under the number of its exchange; `wake` has it read on. Makes the
    /// outlet, and does nothing else: the request is not there yet.
    fn outlet(&self, number: u64, wake: BodyWaker) -> Arc<dyn BodyOutlet> {
        let _ = (number, wake);
        Arc::new(NoOutlet)
    }
}

impl<F: Fn(ListenerEvent) + Send + Sync + 'static> ListenerSink for F {
    fn event(&self, event: ListenerEvent) {
        self(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn events_are_plain_camel_case_objects() {
        let event = ListenerEvent::Reconnecting {
            channel: 0,
            attempt: 2,
            delay: 1500,
            reason: "lost".into(),
            error: RelayError::new(ErrorKind::Disconnected, "lost"),
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], "reconnecting");
        assert_eq!(json["delay"], 1500);
        assert_eq!(json["error"]["code"], "ERR_HYCO_DISCONNECTED");
        let renewed = ListenerEvent::TokenRenewed { channel: 1, expires_in: Some(5) };
        assert_eq!(
            serde_json::to_string(&renewed).unwrap(),
            r#"{"type":"tokenRenewed","channel":1,"expiresIn":5}"#
        );
        assert_eq!(serde_json::to_string(&ListenerEvent::Token).unwrap(), r#"{"type":"token"}"#);
    }

    #[test]
    fn debug_hides_what_an_offer_carries() {
        let accept = Box::new(Accept {
            address: "wss://h/?s3cret".into(),
            id: "1".into(),
            connect_headers: vec![("Authorization".into(), "s3cret".into())],
            remote_endpoint: Some(("203.0.113.7".into(), 5)),
        });
        let offer = ListenerEvent::Offer {
            id: 1,
            host: "h".into(),
            target: "/?s3cret".into(),
            accept,
            refused: None,
        };
        assert!(!format!("{offer:?}").contains("s3cret"));
    }
}
