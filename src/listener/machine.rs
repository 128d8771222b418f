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
//! `Attempt` and `ControlLink` know nothing of each other: what follows for one from the other is said here.

use std::time::Duration;

use super::backoff::Rng;
use super::config::{MAX_TEXT, Secret};
use super::events::{ListenerEvent, ListenerState};
use crate::error::{ErrorKind, RelayError};
use attempt::Attempt;
use context::ChannelContext;
use leaving::LeavingLinks;
use link::{ControlLink, PingAnswers};
use messages::LinkRequests;
pub use terms::{ChannelAction, ChannelInput, LinkId, LinkRequest, MachineConfig, millis};

mod attempt;
mod context;
mod leaving;
mod link;
mod link_token;
mod messages;
mod terms;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelPhase {
    New,
    Running,
    /// Until the links are gone.
    Closing,
    Closed,
}

/// One control channel.
pub struct Machine {
    context: ChannelContext,
    phase: ChannelPhase,
    attempt: Attempt,
    link: Option<ControlLink>,
    leaving: LeavingLinks,
    pings: PingAnswers,
    /// The relay dropped the channel right after a renewal: renew by a new channel from now on.
    replace_to_renew: bool,
}

impl Machine {
    /// A channel that has not started.
    pub fn new(config: MachineConfig, rng: Rng) -> Self {
        Self {
            phase: ChannelPhase::New,
            attempt: Attempt::new(&config.reconnect),
            context: ChannelContext::new(config, rng),
            link: None,
            leaving: LeavingLinks::default(),
            pings: PingAnswers::default(),
            replace_to_renew: false,
        }
    }

    /// The channel's state.
    pub fn state(&self) -> ListenerState {
        match self.phase {
            ChannelPhase::Closed => ListenerState::Closed,
            ChannelPhase::Closing => ListenerState::Closing,
            _ if self.link.is_some() => ListenerState::Online,
            _ if self.attempt.has_given_up() => ListenerState::Offline,
            _ if self.attempt.failed_before => ListenerState::Reconnecting,
            _ => ListenerState::Connecting,
        }
    }

    /// The last round trip of a ping.
    pub fn rtt(&self) -> Option<Duration> {
        self.pings.rtt
    }

    /// Takes one input at `now` (monotonic, since the start) and says what to do. Due timers run with every input.
    pub fn handle(&mut self, now: Duration, input: ChannelInput<'_>) -> Vec<ChannelAction> {
        let late = self.next_deadline().map_or(Duration::ZERO, |due| now.saturating_sub(due));
        let now = self.context.now.max(now);
        self.context.now = now;
        let patience = self.patience().filter(|_| !late.is_zero());
        if let (Some(link), Some(patience)) = (&mut self.link, patience) {
            link.forgive(now, late, patience);
        }
        if self.phase != ChannelPhase::Closed {
            self.take(input);
            self.run_timers();
        }
        if self.phase == ChannelPhase::Closing && self.leaving.is_empty() {
            self.phase = ChannelPhase::Closed;
        }
        std::mem::take(&mut self.context.actions)
    }

    fn take(&mut self, input: ChannelInput<'_>) {
        let (up, now) = (self.link.is_some(), self.context.now);
        match input {
            ChannelInput::Start if self.phase == ChannelPhase::New => {
                self.phase = ChannelPhase::Running;
                self.attempt.begin(&mut self.context);
            }
            ChannelInput::Start | ChannelInput::Tick => {}
            ChannelInput::Token { value, expires_in } => self.token(value, expires_in),
            ChannelInput::TokenFailed(error) => self.token_failed(&error),
            ChannelInput::Opened(link) => self.opened(link),
            ChannelInput::DialFailed { link, error, retry_after } => {
                if self.attempt.dialling() == Some(link) {
                    self.attempt.dial_failed(error, retry_after, up, &mut self.context);
                }
            }
            ChannelInput::Text(link, text) => {
                self.touch(link);
                if let Some(requests) = requests_of(link, &mut self.link, &mut self.leaving) {
                    requests.text(link, text, &mut self.context);
                }
            }
            ChannelInput::Binary(link, body) => {
                self.touch(link);
                if let Some(requests) = requests_of(link, &mut self.link, &mut self.leaving) {
                    requests.binary(link, body, &mut self.context);
                }
            }
            ChannelInput::Answered(link) => {
                if let Some(requests) = requests_of(link, &mut self.link, &mut self.leaving) {
                    requests.answered();
                }
            }
            ChannelInput::Pong(id) => {
                if let Some(rtt) = self.touch(id).and_then(|link| link.pong(now)) {
                    self.pings.answered(rtt);
                }
            }
            ChannelInput::Frame(link) => {
                self.touch(link);
            }
            ChannelInput::Lost { link, code, reason } => self.lost(link, code, reason),
            ChannelInput::RetryIn(delay) => self.attempt.retry_in(delay, now),
            ChannelInput::UpdateToken { value, expires_in } => self.update_token(value, expires_in),
            ChannelInput::Close => self.close(),
        }
    }

    /// When to call `handle` with `Tick` at the latest; `None` while nothing is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.phase == ChannelPhase::Closed {
            return None;
        }
        let link = self.link.as_ref().and_then(|link| link.next_deadline(self.patience()));
        [self.attempt.deadline(), link, self.leaving.next_deadline()].into_iter().flatten().min()
    }

    /// How long the link may be silent.
    fn patience(&self) -> Option<Duration> {
        self.pings.patience(&self.context.config.keep_alive)
    }

    fn run_timers(&mut self) {
        self.attempt.run_timer(self.link.is_some(), &mut self.context);
        self.run_link_timers();
        // The loss of a link may have scheduled a try for now.
        self.attempt.run_timer(self.link.is_some(), &mut self.context);
        self.leaving.run_timers(&mut self.context);
    }

    fn run_link_timers(&mut self) {
        let (now, patience) = (self.context.now, self.patience());
        if let Some(link) = self.link.take_if(|link| link.is_dead(now, patience)) {
            return self.died(&link);
        }
        let Some(link) = &mut self.link else { return };
        link.run_ping_timer(&mut self.context);
        if link.recycle_due(now) && self.attempt.is_idle() {
            self.attempt.settle();
            self.attempt.begin(&mut self.context);
        }
        link.token.run_timer(&mut self.context);
    }

    fn opened(&mut self, id: LinkId) {
        let Some(token) = self.attempt.opened(id) else {
            // Late news of a dial that was given up.
            return self.context.actions.push(ChannelAction::Drop(id));
        };
        self.context.trouble_is_over();
        let age = self.context.config.link_age(self.link.is_some());
        let old = self.link.replace(ControlLink::new(id, token, age, &mut self.context));
        let was_up = old.is_some();
        if let Some(old) = old {
            self.leaving.replaced(old, self.context.now);
        }
        let replaced = self.leaving.release(&mut self.context) || was_up;
        self.context.emit(ListenerEvent::Listening { channel: self.context.config.channel, replaced });
    }

    /// Notes a sign of life of the link that is up.
    fn touch(&mut self, id: LinkId) -> Option<&mut ControlLink> {
        let link = self.link.as_mut().filter(|link| link.id == id)?;
        link.touch(self.context.now);
        Some(link)
    }

    fn lost(&mut self, id: LinkId, code: Option<u16>, reason: &str) {
        if self.leaving.lost(id, &mut self.context) {
            return;
        }
        let Some(link) = self.link.take_if(|link| link.id == id) else { return };
        // As long as its close is not answered the relay may still count on the channel, and let senders wait for it.
        if matches!(code, Some(1008 | 1011)) {
            self.leaving.hold(id, self.context.now);
        } else {
            self.context.actions.push(ChannelAction::Drop(id));
        }
        if code == Some(1008) {
            self.attempt.token_expired();
            self.replace_to_renew |= link.token.is_to_blame(self.context.now);
        }
        let recycled = code == Some(1011) && reason.contains("NameRenewalFailed");
        self.link_lost(&link, recycled, lost_error(code, reason));
    }

    fn died(&mut self, link: &ControlLink) {
        self.pings.died(link);
        self.context.actions.push(ChannelAction::Drop(link.id));
        let silence = link.silence(self.context.now).as_secs_f64();
        let text = format!("The control channel is dead: nothing came in {silence:.1} s");
        self.link_lost(link, false, RelayError::new(ErrorKind::Disconnected, text));
    }

    fn link_lost(&mut self, link: &ControlLink, recycled: bool, error: RelayError) {
        let up_for = self.context.now.saturating_sub(link.since);
        if up_for >= self.context.config.reconnect.stable_after {
            self.attempt.settle();
        }
        self.attempt.link_lost(recycled, error, &mut self.context);
    }

    fn token(&mut self, value: Secret, life: Option<Duration>) {
        if self.phase == ChannelPhase::Closing {
            return;
        }
        let Self { context, attempt, .. } = self;
        if let Some(link) = &mut self.link
            && link.token.answered(&value, life, context)
        {
            if self.replace_to_renew && attempt.is_idle() {
                link.token.leave_to_new_link(context);
                return attempt.dial(value, life, true, context);
            }
            link.token.renew(link.id, &value, life, context);
        }
        attempt.token(value, life, self.link.is_some(), context);
    }

    fn token_failed(&mut self, error: &RelayError) {
        if self.phase == ChannelPhase::Closing {
            return;
        }
        if let Some(link) = &mut self.link {
            link.token.failed(error, &mut self.context);
        }
        self.attempt.token_failed(error, self.link.is_some(), &mut self.context);
    }

    fn update_token(&mut self, value: Secret, life: Option<Duration>) {
        if self.phase != ChannelPhase::Running {
            return;
        }
        let Self { context, link, .. } = self;
        if let Some(link) = link {
            link.token.renew(link.id, &value, life, context);
        }
        self.attempt.update_token(value, life, link.is_some(), context);
    }

    fn close(&mut self) {
        if self.phase == ChannelPhase::Closing {
            return;
        }
        self.phase = ChannelPhase::Closing;
        self.attempt.close(&mut self.context);
        self.leaving.close(self.link.take(), &mut self.context);
    }
}

/// The requests of a link that is still read.
fn requests_of<'a>(
    id: LinkId,
    link: &'a mut Option<ControlLink>,
    leaving: &'a mut LeavingLinks,
) -> Option<&'a mut LinkRequests> {
    match link {
        Some(link) if link.id == id => Some(&mut link.requests),
        _ => leaving.requests_of(id),
    }
}

fn lost_error(code: Option<u16>, reason: &str) -> RelayError {
    // The relay's text may be anything: only its length is ours to limit.
    let reason: String = reason.chars().take(MAX_TEXT).collect();
    let text = match (code, reason.as_str()) {
        (Some(code), "") => format!("The relay closed the control channel: {code}"),
        (Some(code), reason) => format!("The relay closed the control channel: {code} ({reason})"),
        (None, "") => "The control channel was lost".to_owned(),
        (None, reason) => format!("The control channel was lost: {reason}"),
    };
    let mut error = RelayError::new(ErrorKind::Disconnected, text);
    error.tracking_id = RelayError::refused(0, &reason).tracking_id;
    error.reason = Some(reason);
    error
}

#[cfg(test)]
mod tests;
