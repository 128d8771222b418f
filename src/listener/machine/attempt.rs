//! The attempt to get the next link: token, dial, and what a failure leads to.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::link::{Leaving, Link};
use super::{ChannelAction, DIAL_GUARD, HOLD, LinkId, Machine, OVERLAP, Tokens};
use crate::error::{ErrorKind, RelayError};
use crate::listener::backoff::{Rule, rule};
use crate::listener::config::{MAX_TEXT, Secret};
use crate::listener::events::{ListenerEvent, TokenReason};

/// How long an owner that names its delays itself may take to do so.
const OWNER_PATIENCE: Duration = Duration::from_secs(5);

/// What is being done about the next link.
#[derive(Debug)]
pub(super) enum Attempt {
    /// Nothing.
    Idle,
    /// Until the next try.
    Waiting { until: Duration },
    /// For a token; asked again if there is no answer.
    Asking { again: Duration, refresh: bool },
    /// For the dialer.
    Dialing { link: LinkId, token: Option<Secret>, expires: Option<Duration>, deadline: Duration },
}

impl Attempt {
    pub(super) fn deadline(&self) -> Option<Duration> {
        match *self {
            Attempt::Idle => None,
            Attempt::Waiting { until } => Some(until),
            Attempt::Asking { again, .. } => Some(again),
            Attempt::Dialing { deadline, .. } => Some(deadline),
        }
    }
}

impl Machine {
    /// Starts a try; asks for a token first where there is somebody to ask.
    pub(super) fn begin(&mut self) {
        match &self.config.tokens {
            Tokens::Provider => {
                let refresh = std::mem::take(&mut self.want_fresh);
                self.ask(refresh);
            }
            Tokens::Held(held) => {
                let (value, end) = held.clone().unzip();
                self.dial(value, end.flatten().map(|end| end.saturating_sub(self.now)));
            }
        }
    }

    fn ask(&mut self, refresh: bool) {
        let reason = if refresh { TokenReason::Refused } else { TokenReason::Connect };
        self.attempt = Attempt::Asking { again: self.now + self.config.token_timeout, refresh };
        self.actions.push(ChannelAction::RequestToken { refresh, reason });
    }

    /// `life` is the rest of the token's life.
    pub(super) fn dial(&mut self, token: Option<Secret>, life: Option<Duration>) {
        self.next_link = self.next_link.wrapping_add(1);
        let link = self.next_link;
        self.attempt = Attempt::Dialing {
            link,
            token: token.clone(),
            expires: life.map(|life| self.now.saturating_add(life)),
            deadline: self.now + self.config.handshake_timeout + DIAL_GUARD,
        };
        if self.link.is_none() {
            self.emit(ListenerEvent::Connecting {
                channel: self.config.channel,
                attempt: self.backoff.attempt(),
            });
        }
        self.actions.push(ChannelAction::Dial { link, token });
    }

    pub(super) fn opened(&mut self, id: LinkId) {
        let (token, expires) = match std::mem::replace(&mut self.attempt, Attempt::Idle) {
            Attempt::Dialing { link, token, expires, .. } if link == id => (token, expires),
            // Late news of a dial that was given up.
            other => {
                self.attempt = other;
                return self.actions.push(ChannelAction::Drop(id));
            }
        };
        self.needs_token = false;
        self.complained = None;
        self.token_backoff.reset();
        let old = self.link.take();
        // What takes over in time keeps its distance from the other channels; what comes up anew finds it again.
        let recycle_after = match &old {
            Some(_) => self.config.recycle_after,
            None => {
                self.config.recycle_after * u32::from(self.config.channel + 1)
                    / u32::from(self.config.channels.max(1))
            }
        };
        let mut replaced = false;
        if let Some(old) = old {
            replaced = true;
            self.leaving.push(Leaving::overlapping(old, self.now + OVERLAP));
        }
        for held in self.leaving.extract_if(.., |leaving| leaving.held) {
            replaced = true;
            self.actions.push(ChannelAction::Drop(held.id));
        }
        self.link =
            Some(Link::new(id, self.now, (token, expires), recycle_after, &self.config, &mut self.rng));
        self.emit(ListenerEvent::Listening { channel: self.config.channel, replaced });
    }

    pub(super) fn dial_failed(&mut self, error: RelayError, retry_after: Option<Duration>) {
        self.attempt = Attempt::Idle;
        self.needs_token = error.kind == ErrorKind::Unauthorized;
        let delay = match rule(&error, retry_after, &self.config.reconnect) {
            Rule::Stop => return self.give_up(&error),
            Rule::Retry => self.backoff.next(&mut self.rng),
            Rule::Slow(least) => self.backoff.next_slow(&mut self.rng, least),
            Rule::FreshToken if self.has_provider() && !self.refreshed => {
                self.refreshed = true;
                self.want_fresh = true;
                self.backoff.count();
                Duration::ZERO
            }
            Rule::FreshToken => {
                self.want_fresh = self.has_provider();
                self.complain(&error);
                self.backoff.next_patient(&mut self.rng)
            }
            Rule::Report => {
                self.complain(&error);
                self.backoff.next_patient(&mut self.rng)
            }
        };
        self.wait(delay, error);
    }

    /// Schedules the next try and, if the channel is down, says so.
    pub(super) fn wait(&mut self, delay: Duration, error: RelayError) {
        self.attempt = Attempt::Waiting { until: self.now.saturating_add(delay) };
        if self.link.is_some() {
            return;
        }
        if self.config.reconnect.owner_delays {
            self.attempt = Attempt::Waiting { until: self.now.saturating_add(delay.max(OWNER_PATIENCE)) };
        }
        self.announce(delay, error);
    }

    fn announce(&mut self, delay: Duration, error: RelayError) {
        self.failed_before = true;
        self.emit(ListenerEvent::Reconnecting {
            channel: self.config.channel,
            attempt: self.backoff.attempt().max(self.token_backoff.attempt()).max(1),
            delay: millis(delay),
            reason: error.message.clone(),
            error,
        });
    }

    fn give_up(&mut self, error: &RelayError) {
        self.attempt = Attempt::Idle;
        let terminal = self.link.is_none();
        self.emit_error(error, terminal);
        if terminal {
            self.failed_before = true;
            self.offline = true;
            self.emit(ListenerEvent::Offline { channel: self.config.channel });
        }
    }

    pub(super) fn retry_in(&mut self, delay: Duration) {
        if let Attempt::Waiting { until } = &mut self.attempt {
            *until = self.now.saturating_add(delay);
        }
    }

    pub(super) fn lost(&mut self, id: LinkId, code: Option<u16>, reason: &str) {
        if let Some(at) = self.leaving.iter().position(|leaving| leaving.id == id) {
            if !self.leaving[at].held {
                self.leaving.swap_remove(at);
                self.actions.push(ChannelAction::Drop(id));
            }
            return;
        }
        if self.link.as_ref().is_none_or(|link| link.id != id) {
            return;
        }
        let Some(link) = self.link.take() else { return };
        let recycled = code == Some(1011) && reason.contains("NameRenewalFailed");
        // As long as its close is not answered the relay may still count on the channel, and let senders wait for it.
        if matches!(code, Some(1008 | 1011)) {
            self.leaving.push(Leaving::held(link.id, self.now + HOLD));
        } else {
            self.actions.push(ChannelAction::Drop(id));
        }
        if code == Some(1008) {
            self.want_fresh = self.has_provider();
            self.replace_to_renew |= link.renewed_lately(self.now);
        }
        let error = lost_error(code, reason);
        self.after_link(&link, recycled, error);
    }

    /// The link is gone: go on with the attempt that is under way, or schedule one.
    pub(super) fn after_link(&mut self, link: &Link, recycled: bool, error: RelayError) {
        let stable_after = self.config.reconnect.stable_after;
        if self.now.saturating_sub(link.since) >= stable_after {
            self.settle();
        }
        if !matches!(self.attempt, Attempt::Idle) {
            let delay = match self.attempt {
                Attempt::Waiting { until } => until.saturating_sub(self.now),
                _ => Duration::ZERO,
            };
            return self.announce(delay, error);
        }
        let at_once = recycled
            && self
                .last_recycle
                .is_none_or(|last| self.now.saturating_sub(last) >= stable_after.max(Duration::from_secs(1)));
        if recycled {
            self.last_recycle = Some(self.now);
        }
        let delay = if at_once { Duration::ZERO } else { self.backoff.next(&mut self.rng) };
        self.wait(delay, error);
    }

    /// The channel was up long enough: the next trouble is a new one.
    pub(super) fn settle(&mut self) {
        self.backoff.reset();
        self.refreshed = false;
    }

    pub(super) fn token(&mut self, value: Secret, life: Option<Duration>) {
        if self.closing {
            return;
        }
        self.renewal_answered(&value, life);
        if matches!(self.attempt, Attempt::Asking { .. }) {
            self.dial(Some(value), life);
        }
    }

    pub(super) fn token_failed(&mut self, error: &RelayError, terminal: bool) {
        if self.closing {
            return;
        }
        self.renewal_failed(error);
        let Attempt::Asking { refresh, .. } = self.attempt else { return };
        if terminal {
            return self.give_up(error);
        }
        self.want_fresh = refresh;
        self.needs_token = true;
        self.complain(error);
        // Asking is the provider's business, dialling the relay's: the two do not share a policy.
        let delay = self.token_backoff.next_patient(&mut self.rng);
        self.wait(delay, error.clone());
    }

    pub(super) fn update_token(&mut self, value: Secret, life: Option<Duration>) {
        if let Tokens::Held(held) = &mut self.config.tokens {
            *held = Some((value.clone(), life.map(|life| self.now.saturating_add(life))));
        }
        if self.closing || !self.started {
            return;
        }
        self.send_renewal(&value, life);
        let waits_for_it = match self.attempt {
            Attempt::Asking { .. } => true,
            Attempt::Waiting { .. } => self.needs_token,
            Attempt::Idle => self.offline,
            Attempt::Dialing { .. } => false,
        };
        if waits_for_it {
            if std::mem::take(&mut self.offline) {
                self.settle();
            }
            self.want_fresh = false;
            self.dial(Some(value), life);
        }
    }

    pub(super) fn run_attempt_timers(&mut self) {
        match self.attempt {
            Attempt::Waiting { until } if until <= self.now => self.begin(),
            Attempt::Asking { again, refresh } if again <= self.now => {
                let text = "The token provider has not answered in time; asking again";
                self.complain(&RelayError::new(ErrorKind::Token, text));
                self.ask(refresh);
            }
            Attempt::Dialing { link, deadline, .. } if deadline <= self.now => {
                self.actions.push(ChannelAction::AbortDial(link));
                let error = RelayError::new(ErrorKind::Timeout, "Opening handshake has timed out");
                self.dial_failed(error, None);
            }
            _ => {}
        }
    }
}

/// Whole milliseconds for JavaScript, rounded up: a retry is never announced for earlier than it comes.
pub fn millis(delay: Duration) -> u64 {
    u64::try_from(delay.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
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
