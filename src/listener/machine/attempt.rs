//! The attempt to get the next link: token, dial, and what a failure leads to.
//!
//! Another link may be up meanwhile. All that the attempt knows of it is whether there is one (`up`): only while there is
//! none does the owner hear of each try.

use std::time::Duration;

use super::context::ChannelContext;
use super::terms::{ChannelAction, LinkId, millis};
use crate::error::{ErrorKind, RelayError};
use crate::listener::backoff::{Backoff, Rule, rule};
use crate::listener::config::{ReconnectConfig, Secret, TOKEN_TIMEOUT};
use crate::listener::events::ListenerEvent;

/// A dial is given up by the machine itself if the dialer does not within its own limit.
const DIAL_GUARD: Duration = Duration::from_secs(5);
/// How long an owner that names its delays itself may take to do so.
const OWNER_PATIENCE: Duration = Duration::from_secs(5);

/// What is being done about the next link.
#[derive(Debug)]
pub(super) struct Attempt {
    stage: AttemptStage,
    last_link: LinkId,
    backoff: Backoff,
    /// A dial failed or a link was lost since the start.
    pub(super) failed_before: bool,
    /// The one fresh token that a 401 gets at once was asked for since the channel was last stable.
    refreshed: bool,
    /// The next token must not come from a cache.
    want_fresh: bool,
    /// It waits because it has no good token.
    needs_token: bool,
    last_recycle: Option<Duration>,
}

#[derive(Debug)]
enum AttemptStage {
    /// There is nothing to do.
    Idle,
    /// Until the next try.
    Waiting { until: Duration },
    /// For a token; asked again if there is no answer.
    Asking { again: Duration, refresh: bool },
    /// For the dialer.
    Dialing { link: LinkId, token: Secret, expires: Option<Duration>, deadline: Duration },
    /// After a terminal error, until the owner has a new token.
    GivenUp,
}

impl Attempt {
    pub(super) fn new(reconnect: &ReconnectConfig) -> Self {
        Self {
            stage: AttemptStage::Idle,
            last_link: 0,
            backoff: Backoff::new(reconnect.min_delay, reconnect.max_delay),
            failed_before: false,
            refreshed: false,
            want_fresh: false,
            needs_token: false,
            last_recycle: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, AttemptStage::Idle)
    }

    pub(super) fn has_given_up(&self) -> bool {
        matches!(self.stage, AttemptStage::GivenUp)
    }

    pub(super) fn dialling(&self) -> Option<LinkId> {
        match self.stage {
            AttemptStage::Dialing { link, .. } => Some(link),
            _ => None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.stage {
            AttemptStage::Idle | AttemptStage::GivenUp => None,
            AttemptStage::Waiting { until } => Some(until),
            AttemptStage::Asking { again, .. } => Some(again),
            AttemptStage::Dialing { deadline, .. } => Some(deadline),
        }
    }

    pub(super) fn run_timer(&mut self, up: bool, context: &mut ChannelContext) {
        if self.deadline().is_none_or(|at| at > context.now) {
            return;
        }
        match self.stage {
            AttemptStage::Idle | AttemptStage::GivenUp => {}
            AttemptStage::Waiting { .. } => self.begin(context),
            AttemptStage::Asking { refresh, .. } => {
                context.complain_of_silent_provider();
                self.ask(refresh, context);
            }
            AttemptStage::Dialing { link, .. } => {
                context.actions.push(ChannelAction::AbortDial(link));
                let error = RelayError::new(ErrorKind::Timeout, "Opening handshake has timed out");
                self.dial_failed(error, None, up, context);
            }
        }
    }

    /// Starts a try, which begins with a token.
    pub(super) fn begin(&mut self, context: &mut ChannelContext) {
        let refresh = std::mem::take(&mut self.want_fresh);
        self.ask(refresh, context);
    }

    fn ask(&mut self, refresh: bool, context: &mut ChannelContext) {
        self.stage = AttemptStage::Asking { again: context.now + TOKEN_TIMEOUT, refresh };
        context.request_token(refresh);
    }

    /// `life` is the rest of the token's life.
    pub(super) fn dial(
        &mut self,
        token: Secret,
        life: Option<Duration>,
        up: bool,
        context: &mut ChannelContext,
    ) {
        self.last_link = self.last_link.wrapping_add(1);
        let link = self.last_link;
        self.stage = AttemptStage::Dialing {
            link,
            token: token.clone(),
            expires: life.map(|life| context.now.saturating_add(life)),
            deadline: context.now + context.config.handshake_timeout + DIAL_GUARD,
        };
        if !up {
            let (channel, attempt) = (context.config.channel, self.backoff.attempt());
            context.emit(ListenerEvent::Connecting { channel, attempt });
        }
        context.actions.push(ChannelAction::Dial { link, token });
    }

    /// The dial of a link has succeeded: the token that it was made with, and its end. `None` for late news of a dial
    /// that was given up.
    pub(super) fn opened(&mut self, id: LinkId) -> Option<(Secret, Option<Duration>)> {
        match std::mem::replace(&mut self.stage, AttemptStage::Idle) {
            AttemptStage::Dialing { link, token, expires, .. } if link == id => {
                self.needs_token = false;
                Some((token, expires))
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The dial that is under way has failed.
    pub(super) fn dial_failed(
        &mut self,
        error: RelayError,
        retry_after: Option<Duration>,
        up: bool,
        context: &mut ChannelContext,
    ) {
        self.stage = AttemptStage::Idle;
        self.needs_token = error.kind == ErrorKind::Unauthorized;
        let delay = match rule(&error, retry_after, &context.config.reconnect) {
            Rule::Stop => return self.give_up(&error, up, context),
            Rule::Retry => self.backoff.next(&mut context.rng),
            Rule::Slow(least) => self.backoff.next_slow(&mut context.rng, least),
            Rule::FreshToken if !self.refreshed => {
                self.refreshed = true;
                self.want_fresh = true;
                self.backoff.count();
                Duration::ZERO
            }
            Rule::FreshToken => {
                self.want_fresh = true;
                context.complain(&error);
                self.backoff.next_patient(&mut context.rng)
            }
            Rule::Report => {
                context.complain(&error);
                self.backoff.next_patient(&mut context.rng)
            }
        };
        self.wait(delay, error, up, context);
    }

    /// Schedules the next try and, if the channel is down, says so.
    fn wait(&mut self, delay: Duration, error: RelayError, up: bool, context: &mut ChannelContext) {
        let owners = !up && context.config.reconnect.owner_delays;
        let wait = if owners { delay.max(OWNER_PATIENCE) } else { delay };
        self.stage = AttemptStage::Waiting { until: context.now.saturating_add(wait) };
        if !up {
            self.announce(delay, error, context);
        }
    }

    fn announce(&mut self, delay: Duration, error: RelayError, context: &mut ChannelContext) {
        self.failed_before = true;
        context.emit(ListenerEvent::Reconnecting {
            channel: context.config.channel,
            attempt: self.backoff.attempt().max(context.token_backoff.attempt()).max(1),
            delay: millis(delay),
            reason: error.message.clone(),
            error,
        });
    }

    fn give_up(&mut self, error: &RelayError, up: bool, context: &mut ChannelContext) {
        context.emit_error(error, !up);
        if up {
            self.stage = AttemptStage::Idle;
            return;
        }
        self.stage = AttemptStage::GivenUp;
        self.failed_before = true;
        context.emit(ListenerEvent::Offline { channel: context.config.channel });
    }

    /// The owner names the delay of the try that is waiting.
    pub(super) fn retry_in(&mut self, delay: Duration, now: Duration) {
        if let AttemptStage::Waiting { until } = &mut self.stage {
            *until = now.saturating_add(delay);
        }
    }

    /// The link is gone: goes on with the try that is under way, or schedules one. `recycled` says that the relay
    /// only wants another link in its place.
    pub(super) fn link_lost(&mut self, recycled: bool, error: RelayError, context: &mut ChannelContext) {
        let now = context.now;
        let under_way = match self.stage {
            AttemptStage::Idle | AttemptStage::GivenUp => None,
            AttemptStage::Waiting { until } => Some(until.saturating_sub(now)),
            AttemptStage::Asking { .. } | AttemptStage::Dialing { .. } => Some(Duration::ZERO),
        };
        if let Some(delay) = under_way {
            return self.announce(delay, error, context);
        }
        let distance = context.config.reconnect.stable_after.max(Duration::from_secs(1));
        let at_once = recycled && self.last_recycle.is_none_or(|last| now.saturating_sub(last) >= distance);
        if recycled {
            self.last_recycle = Some(now);
        }
        let delay = if at_once { Duration::ZERO } else { self.backoff.next(&mut context.rng) };
        self.wait(delay, error, false, context);
    }

    /// The relay dropped the link for its token: one from a cache may be the same.
    pub(super) fn token_expired(&mut self) {
        self.want_fresh = true;
    }

    /// The channel was up long enough: the next trouble is a new one.
    pub(super) fn settle(&mut self) {
        self.backoff.reset();
        self.refreshed = false;
    }

    /// The provider has a token.
    pub(super) fn token(
        &mut self,
        value: Secret,
        life: Option<Duration>,
        up: bool,
        context: &mut ChannelContext,
    ) {
        if matches!(self.stage, AttemptStage::Asking { .. }) {
            self.dial(value, life, up, context);
        }
    }

    /// The provider has none.
    pub(super) fn token_failed(&mut self, error: &RelayError, up: bool, context: &mut ChannelContext) {
        let AttemptStage::Asking { refresh, .. } = self.stage else { return };
        self.want_fresh = refresh;
        self.needs_token = true;
        context.complain(error);
        // Asking is the provider's business, dialling the relay's: the two do not share a policy.
        let delay = context.token_backoff.next_patient(&mut context.rng);
        self.wait(delay, error.clone(), up, context);
    }

    /// The owner has a new token.
    pub(super) fn update_token(
        &mut self,
        value: Secret,
        life: Option<Duration>,
        up: bool,
        context: &mut ChannelContext,
    ) {
        let wanted = match self.stage {
            AttemptStage::Asking { .. } | AttemptStage::GivenUp => true,
            AttemptStage::Waiting { .. } => self.needs_token,
            AttemptStage::Idle | AttemptStage::Dialing { .. } => false,
        };
        if !wanted {
            return;
        }
        if self.has_given_up() {
            self.settle();
        }
        self.want_fresh = false;
        self.dial(value, life, up, context);
    }

    /// Ends for good.
    pub(super) fn close(&mut self, context: &mut ChannelContext) {
        context.actions.extend(self.dialling().map(ChannelAction::AbortDial));
        self.stage = AttemptStage::Idle;
    }
}
