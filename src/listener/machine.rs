//! The life of one control channel as a pure state machine: events and the time go in, actions come out. No IO, no
//! clock, so that a month can be tested in a millisecond.
//!
//! ```text
//!             Start                 Token             Opened
//!   (new) ----------> asking ------------> dialling ----------> ONLINE --- ping, renewToken, offers
//!                       ^                     |                   |  \
//!                       |                     | refused, failed   |   `- recycle due: a second dial, and the old
//!                       |                     v                   |      link goes when the new one is up
//!                       `---- delay ---- waiting <--- lost -------'
//!                                             `--- terminal ---> OFFLINE (until UpdateToken)
//!   Close, from anywhere: CLOSING until the links are gone, then CLOSED
//! ```
//!
//! Two things run side by side: the *link* that is up (if any) and the *attempt* to get the next one. That is what
//! makes make-before-break ordinary: a dial may be under way while a link is up. There is at most one dial at a time.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::backoff::{Backoff, Rng};
use super::config::{KeepAlive, ReconnectConfig, Secret};
use super::events::{ListenerEvent, ListenerState};
use crate::error::RelayError;
use crate::protocol::address::{Address, HostPolicy};
use attempt::Attempt;
pub use attempt::millis;
use link::{Leaving, Link};
pub use terms::{ChannelAction, ChannelInput};

mod attempt;
mod link;
mod messages;
mod terms;

/// Numbers the sockets of one channel, so that late news of an old one is told apart.
pub type LinkId = u32;

/// How long an old link goes on receiving after its replacement is up.
const OVERLAP: Duration = Duration::from_secs(2);
/// How long the answer to a recycling close waits for the replacement.
const HOLD: Duration = Duration::from_secs(10);
/// A dial is given up by the machine itself if the dialer does not within its own limit.
const DIAL_GUARD: Duration = Duration::from_secs(5);

/// Where the machine's tokens come from.
#[derive(Debug, Clone)]
pub enum Tokens {
    /// Asked for with [`ChannelAction::RequestToken`].
    Provider,
    /// At hand, with its end (since the start) where it can be read; `None` if the URI carries it.
    Held(Option<(Secret, Option<Duration>)>),
}

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
    /// Limit of the closing handshake.
    pub close_timeout: Duration,
    /// Patience with a silent token provider.
    pub token_timeout: Duration,
    /// Age at which a healthy link is replaced; zero: never.
    pub recycle_after: Duration,
    /// Parallel channels of the listener; their links are of different age, so that nothing recycles them together.
    pub channels: u16,
    /// Where tokens come from.
    pub tokens: Tokens,
    /// The listen address, against which the relay's addresses are checked.
    pub listen: Address,
    /// Which hosts the relay may send us to.
    pub hosts: HostPolicy,
}

/// One control channel.
pub struct Machine {
    config: MachineConfig,
    rng: Rng,
    now: Duration,
    started: bool,
    closing: bool,
    closed: bool,
    /// Gave up after a terminal error.
    offline: bool,
    /// A dial failed or a link was lost since the start.
    failed_before: bool,
    next_link: LinkId,
    link: Option<Link>,
    leaving: Vec<Leaving>,
    attempt: Attempt,
    backoff: Backoff,
    token_backoff: Backoff,
    /// The one fresh token that a 401 gets at once was asked for since the channel was last stable.
    refreshed: bool,
    /// The next token must not come from a cache.
    want_fresh: bool,
    /// The attempt waits because it has no good token.
    needs_token: bool,
    /// The kind of trouble that the owner was already told about.
    complained: Option<&'static str>,
    /// The relay dropped the channel right after a renewal: renew by a new channel from now on.
    replace_to_renew: bool,
    last_recycle: Option<Duration>,
    /// The relay has answered a ping since the start.
    pong_seen: bool,
    /// Links in a row that died without having shown any sign of life.
    silent_links: u32,
    rtt: Option<Duration>,
    malformed: messages::Reports,
    actions: Vec<ChannelAction>,
}

impl Machine {
    /// A channel that has not started.
    pub fn new(config: MachineConfig, rng: Rng) -> Self {
        let ReconnectConfig { min_delay, max_delay, .. } = config.reconnect;
        Self {
            backoff: Backoff::new(min_delay, max_delay),
            token_backoff: Backoff::new(
                min_delay,
                max_delay.saturating_mul(2).min(super::backoff::REFUSED_MAX),
            ),
            config,
            rng,
            now: Duration::ZERO,
            started: false,
            closing: false,
            closed: false,
            offline: false,
            failed_before: false,
            next_link: 0,
            link: None,
            leaving: Vec::new(),
            attempt: Attempt::Idle,
            refreshed: false,
            want_fresh: false,
            needs_token: false,
            complained: None,
            replace_to_renew: false,
            last_recycle: None,
            pong_seen: false,
            silent_links: 0,
            rtt: None,
            malformed: messages::Reports::default(),
            actions: Vec::new(),
        }
    }

    /// The channel's state.
    pub fn state(&self) -> ListenerState {
        if self.closed {
            ListenerState::Closed
        } else if self.closing {
            ListenerState::Closing
        } else if self.link.is_some() {
            ListenerState::Online
        } else if self.offline {
            ListenerState::Offline
        } else if self.failed_before {
            ListenerState::Reconnecting
        } else {
            ListenerState::Connecting
        }
    }

    /// The last round trip of a ping.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Takes one input at `now` (monotonic, since the start) and says what to do. Due timers run with every input.
    pub fn handle(&mut self, now: Duration, input: ChannelInput<'_>) -> Vec<ChannelAction> {
        let late = self.next_deadline().map_or(Duration::ZERO, |due| now.saturating_sub(due));
        self.now = self.now.max(now);
        if !late.is_zero() {
            self.forgive(late);
        }
        if !self.closed {
            self.take(input);
            self.run_timers();
        }
        if self.closing && self.leaving.is_empty() {
            self.closed = true;
        }
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, input: ChannelInput<'_>) {
        match input {
            ChannelInput::Start if !self.started && !self.closing => {
                self.started = true;
                self.begin();
            }
            ChannelInput::Start | ChannelInput::Tick => {}
            ChannelInput::Token { value, expires_in } => self.token(value, expires_in),
            ChannelInput::TokenFailed { error, terminal } => self.token_failed(&error, terminal),
            ChannelInput::Opened(link) => self.opened(link),
            ChannelInput::DialFailed { link, error, retry_after } => {
                if matches!(self.attempt, Attempt::Dialing { link: current, .. } if current == link) {
                    self.dial_failed(error, retry_after);
                }
            }
            ChannelInput::Text(link, text) => {
                if self.touch(link) {
                    self.text(link, text);
                }
            }
            ChannelInput::Binary(link) => {
                if self.touch(link) {
                    self.binary(link);
                }
            }
            ChannelInput::Pong(link) => {
                if self.touch(link) {
                    self.pong(link);
                }
            }
            ChannelInput::Frame(link) => {
                self.touch(link);
            }
            ChannelInput::Lost { link, code, reason } => self.lost(link, code, reason),
            ChannelInput::RetryIn(delay) => self.retry_in(delay),
            ChannelInput::UpdateToken { value, expires_in } => self.update_token(value, expires_in),
            ChannelInput::Close => self.close(),
        }
    }

    /// When to call `handle` with `Tick` at the latest; `None` while nothing is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.closed {
            return None;
        }
        let link = self.link.as_ref().and_then(|link| link.next_deadline(self.patience()));
        let leaving = self.leaving.iter().map(|leaving| leaving.until);
        self.attempt.deadline().into_iter().chain(link).chain(leaving).min()
    }

    fn run_timers(&mut self) {
        self.run_attempt_timers();
        self.run_link_timers();
        // What the link's end has scheduled for "at once".
        self.run_attempt_timers();
        self.run_leaving_timers();
    }

    fn close(&mut self) {
        if self.closing {
            return;
        }
        self.closing = true;
        if let Attempt::Dialing { link, .. } = self.attempt {
            self.actions.push(ChannelAction::AbortDial(link));
        }
        self.attempt = Attempt::Idle;
        if let Some(link) = self.link.take() {
            self.leaving.push(Leaving::overlapping(link, self.now));
        }
        let until = self.now + self.config.close_timeout;
        for mut leaving in std::mem::take(&mut self.leaving) {
            if leaving.held {
                self.actions.push(ChannelAction::Drop(leaving.id));
                continue;
            }
            if !leaving.disconnecting {
                self.actions.push(ChannelAction::Disconnect(leaving.id));
                leaving.disconnecting = true;
                leaving.until = until;
            }
            self.leaving.push(leaving);
        }
    }

    fn emit(&mut self, event: ListenerEvent) {
        self.actions.push(ChannelAction::Emit(event));
    }

    fn emit_error(&mut self, error: &RelayError, terminal: bool) {
        let channel = self.config.channel;
        self.emit(ListenerEvent::Error { channel, error: error.clone(), terminal });
    }

    /// Tells the owner about lasting trouble once, not with every retry.
    fn complain(&mut self, error: &RelayError) {
        let code = error.kind.code();
        if self.complained != Some(code) {
            self.complained = Some(code);
            self.emit_error(error, false);
        }
    }

    fn has_provider(&self) -> bool {
        matches!(self.config.tokens, Tokens::Provider)
    }
}

#[cfg(test)]
mod tests;
