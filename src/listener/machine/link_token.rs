//! The token of a link that is up, and its renewal.

use std::time::Duration;

use super::context::ChannelContext;
use super::terms::{ChannelAction, LinkId};
use crate::error::{ErrorKind, RelayError};
use crate::listener::backoff::{Rng, between};
use crate::listener::config::{Secret, TOKEN_TIMEOUT};
use crate::listener::events::ListenerEvent;
use crate::protocol::control;

/// A token is renewed this long before its end, where its life allows.
const MARGIN: Duration = Duration::from_secs(300);
/// Renewal of tokens whose end cannot be read.
const OPAQUE_LIFE: Duration = Duration::from_secs(3600);
/// Renewal of tokens that seem to have ended before they were used.
const DOUBTFUL_LIFE: Duration = Duration::from_secs(600);
/// A token with no more life than this has none.
const IMMINENT: Duration = Duration::from_millis(500);
/// Least time between two renewals.
const LEAST_DELAY: Duration = Duration::from_secs(1);
/// A channel lost so soon after a renewal was lost because of it.
const BLAME: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextRenewal {
    At(Duration),
    /// The provider was asked; it is asked again if there is no answer.
    Asking {
        again: Duration,
    },
}

/// The token of one link.
#[derive(Debug)]
pub(super) struct LinkToken {
    value: Secret,
    expires: Option<Duration>,
    renewed_at: Option<Duration>,
    next: NextRenewal,
}

impl LinkToken {
    pub(super) fn new((value, expires): (Secret, Option<Duration>), context: &mut ChannelContext) -> Self {
        Self { value, expires, renewed_at: None, next: next_renewal(expires, context) }
    }

    pub(super) fn deadline(&self) -> Duration {
        match self.next {
            NextRenewal::At(at) | NextRenewal::Asking { again: at } => at,
        }
    }

    fn is_asking(&self) -> bool {
        matches!(self.next, NextRenewal::Asking { .. })
    }

    /// The link has got a new token so lately that its loss is to be put down to that.
    pub(super) fn is_to_blame(&self, now: Duration) -> bool {
        self.renewed_at.is_some_and(|at| now.saturating_sub(at) < BLAME)
    }

    /// Asks the provider, if it is time to.
    pub(super) fn run_timer(&mut self, context: &mut ChannelContext) {
        if self.deadline() > context.now {
            return;
        }
        if self.is_asking() {
            context.complain_of_silent_provider();
        }
        self.next = NextRenewal::Asking { again: context.now + TOKEN_TIMEOUT };
        context.request_token(false);
    }

    /// The provider has a token. True if the link was waiting for it and it is newer than its own.
    pub(super) fn answered(
        &mut self,
        value: &Secret,
        life: Option<Duration>,
        context: &mut ChannelContext,
    ) -> bool {
        if !self.is_asking() {
            return false;
        }
        let same = self.value == *value;
        if same && life.is_none() {
            self.next = next_renewal(self.expires, context);
            return false;
        }
        let no_newer = match (self.expires, life) {
            (Some(old), Some(life)) => {
                context.now.saturating_add(life) <= old.saturating_add(Duration::from_secs(1))
            }
            _ => false,
        };
        if same || no_newer {
            let text = "The token provider returned a token that lives no longer than the current one";
            self.failed(&RelayError::new(ErrorKind::Token, text), context);
        }
        !same && !no_newer
    }

    /// The provider has no good token: it is asked again soon, but not in a hurry, as the current one is still good.
    pub(super) fn failed(&mut self, error: &RelayError, context: &mut ChannelContext) {
        if !self.is_asking() {
            return;
        }
        let delay = context.token_backoff.next_patient(&mut context.rng).max(Duration::from_secs(1));
        self.next = NextRenewal::At(context.now + delay);
        context.complain(error);
    }

    /// A new link is dialled with the new token. Should that fail for good, this one asks for another.
    pub(super) fn leave_to_new_link(&mut self, context: &ChannelContext) {
        self.next = NextRenewal::At(context.now + TOKEN_TIMEOUT);
    }

    /// Puts a new token to use on `link`.
    pub(super) fn renew(
        &mut self,
        link: LinkId,
        value: &Secret,
        life: Option<Duration>,
        context: &mut ChannelContext,
    ) {
        self.value = value.clone();
        self.expires = life.map(|life| context.now.saturating_add(life));
        self.renewed_at = Some(context.now);
        self.next = next_renewal(self.expires, context);
        context.actions.push(ChannelAction::Send(link, control::renew_token(value.expose())));
        context.trouble_is_over();
        let expires_in = life.map(|life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        context.emit(ListenerEvent::TokenRenewed { channel: context.config.channel, expires_in });
    }
}

fn next_renewal(expires: Option<Duration>, context: &mut ChannelContext) -> NextRenewal {
    let now = context.now;
    let life = match expires {
        // As good as expired by our clock, but the relay took it: the clock says nothing about the end.
        Some(expires) if expires <= now.saturating_add(IMMINENT) => DOUBTFUL_LIFE,
        Some(expires) => expires.saturating_sub(now),
        None => OPAQUE_LIFE,
    };
    NextRenewal::At(now.saturating_add(renewal_delay(life, &mut context.rng)))
}

/// At 75 to 80 % of the token's life, and five minutes before its end where that leaves near half of it (a token
/// for ten minutes has a little less left when it gets here).
fn renewal_delay(life: Duration, rng: &mut Rng) -> Duration {
    let share = between(rng, life.mul_f64(0.75), life.mul_f64(0.80));
    let delay = if life >= MARGIN.mul_f64(1.8) {
        let latest = life - MARGIN;
        share.min(between(rng, latest.mul_f64(0.95), latest))
    } else {
        share
    };
    delay.max(LEAST_DELAY)
}
