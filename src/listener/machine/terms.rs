//! What goes into the machine and what comes out.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::LinkId;
use crate::error::RelayError;
use crate::listener::config::Secret;
use crate::listener::events::{ListenerEvent, TokenReason};
use crate::protocol::address::Address;
use crate::protocol::control::Accept;

/// What happened.
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
    TokenFailed {
        /// Why.
        error: RelayError,
        /// True if asking again is useless.
        terminal: bool,
    },
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
    Binary(LinkId),
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

/// What to do.
#[derive(Debug)]
pub enum ChannelAction {
    /// Ask the provider; a second request before the answer asks for nothing more.
    RequestToken {
        /// A cached token will not do.
        refresh: bool,
        /// What it is for.
        reason: TokenReason,
    },
    /// Dial; answered by `Opened` or `DialFailed`.
    Dial {
        /// Number of the new link.
        link: LinkId,
        /// The token for its header.
        token: Option<Secret>,
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
    /// Answer a short-form HTTP request at its address.
    AnswerRequest {
        /// The request's id.
        id: String,
        /// Where it waits, checked.
        address: Address,
    },
    /// Tell the owner.
    Emit(ListenerEvent),
}
