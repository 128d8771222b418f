//! What goes into the machine and what comes out.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::error::RelayError;
use crate::listener::config::{KeepAlive, ReconnectConfig, Secret};
use crate::listener::events::ListenerEvent;
use crate::protocol::address::{Address, HostPolicy};
use crate::protocol::control::{Accept, RequestHead};

/// Numbers the sockets of one channel, so that late news of an old one is told apart.
pub type LinkId = u32;

/// The options of one channel.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// Number of the channel, for its events.
    pub channel: u16,
    /// Keep-alive.
    pub keep_alive: KeepAlive,
    /// Reconnect policy.
    pub reconnect: ReconnectConfig,
    /// Limit of a dial.
    pub handshake_timeout: Duration,
    /// Age at which a healthy link is replaced; zero: never.
    pub recycle_after: Duration,
    /// Parallel channels of the listener; their links are of different age, so that nothing recycles them together.
    pub channels: u16,
    /// The listen address, against which the relay's addresses are checked.
    pub listen: Address,
    /// Which hosts the relay may send us to.
    pub hosts: HostPolicy,
}

impl MachineConfig {
    /// Age at which a link is replaced. One that takes over from another keeps its distance from the other channels;
    /// one that comes up anew gets a distance of its own.
    pub(super) fn link_age(&self, takes_over: bool) -> Duration {
        if takes_over {
            return self.recycle_after;
        }
        self.recycle_after * u32::from(self.channel + 1) / u32::from(self.channels.max(1))
    }
}

/// What happened. What the owner says comes as it is through the channel's queue; what borrows, from its socket.
#[derive(Debug)]
pub enum ChannelInput<'a> {
    /// Begin.
    Start,
    /// The provider's answer.
    Token {
        /// The token.
        value: Secret,
        /// The rest of its life, where it can be read.
        expires_in: Option<Duration>,
    },
    /// The provider has none.
    TokenFailed(RelayError),
    /// The dial of this link ended with 101.
    Opened(LinkId),
    /// The dial of this link was refused or failed.
    DialFailed {
        /// The link.
        link: LinkId,
        /// Why.
        error: RelayError,
        /// What the response asked for.
        retry_after: Option<Duration>,
    },
    /// A text message.
    Text(LinkId, &'a str),
    /// A binary message.
    Binary(LinkId, Bytes),
    /// A request that came on this link needs it no longer.
    Answered(LinkId),
    /// A pong.
    Pong(LinkId),
    /// Any other frame: a sign of life.
    Frame(LinkId),
    /// A close frame came, or the connection broke.
    Lost {
        /// The link.
        link: LinkId,
        /// Code of the close frame, if there was one.
        code: Option<u16>,
        /// Its reason, or the error's text.
        reason: &'a str,
    },
    /// The owner's own delay for the retry that is waiting.
    RetryIn(Duration),
    /// The owner has a new token.
    UpdateToken {
        /// The token.
        value: Secret,
        /// The rest of its life, where it can be read.
        expires_in: Option<Duration>,
    },
    /// Stop for good.
    Close,
    /// Time has passed.
    Tick,
}

/// A request in full form.
#[derive(Clone, PartialEq)]
pub struct LinkRequest {
    /// Its id.
    pub id: String,
    /// Its rendezvous: not checked.
    pub address: Option<String>,
    /// What it asks for.
    pub head: RequestHead,
}

/// Without the address and the headers: both may hold credentials.
impl fmt::Debug for LinkRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkRequest").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What to do.
#[derive(Debug)]
pub enum ChannelAction {
    /// Ask the provider; a second request before the answer asks for nothing more.
    RequestToken {
        /// The last one was refused: the answer to an older question will not do, and another key may.
        refresh: bool,
    },
    /// Dial; answered by `Opened` or `DialFailed`.
    Dial {
        /// Number of the new link.
        link: LinkId,
        /// The token for its header.
        token: Secret,
    },
    /// Abandon the dial; it has no answer.
    AbortDial(LinkId),
    /// Send a text message.
    Send(LinkId, String),
    /// Send an empty ping.
    Ping(LinkId),
    /// Send an empty, unsolicited pong.
    Pong(LinkId),
    /// Start the closing handshake with 1000 and go on reading; answered by `Lost`.
    Disconnect(LinkId),
    /// Let go of the socket at once; has no answer.
    Drop(LinkId),
    /// A sender waits.
    Offer {
        /// The message.
        accept: Accept,
        /// Its address, checked.
        address: Address,
    },
    /// A sender has made an HTTP request, which needs the link until `Answered`.
    Request {
        /// The link.
        link: LinkId,
        /// The message.
        request: Box<LinkRequest>,
        /// The body, if it has one.
        body: Option<Bytes>,
    },
    /// A sender has made one that waits at an address.
    FetchRequest(Address),
    /// Tell the owner.
    Emit(ListenerEvent),
}

/// Whole milliseconds for JavaScript, rounded up: a retry is never announced for earlier than it comes.
pub fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
