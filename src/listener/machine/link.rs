//! A link that is up: signs of life, pings, the renewal of its token, and how it goes.

#![forbid(unsafe_code)]

use std::time::Duration;

use super::attempt::Attempt;
use super::{ChannelAction, LinkId, Machine, MachineConfig, Tokens};
use crate::error::{ErrorKind, RelayError};
use crate::keep_alive;
use crate::listener::backoff::{Rng, between};
use crate::listener::config::{KeepAliveMode, Secret};
use crate::listener::events::{ListenerEvent, TokenReason};
use crate::protocol::control;

/// Patience with a relay that has not answered our pings so far: it sends a pong of its own every 210 s.
const RELAXED_TIMEOUT: Duration = Duration::from_secs(270);
/// A token is renewed this long before its end, where its life allows.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
/// Renewal of tokens whose end cannot be read.
const OPAQUE_LIFE: Duration = Duration::from_secs(3600);
/// Renewal of tokens that seem to have ended before they were used.
const DOUBTFUL_LIFE: Duration = Duration::from_secs(600);
/// A token with no more life than this has none.
const IMMINENT: Duration = Duration::from_millis(500);
/// Least time between two renewals.
const RENEWAL_MIN: Duration = Duration::from_secs(1);
/// A channel lost so soon after a renewal was lost because of it.
const RENEWAL_BLAME: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    None,
    At(Duration),
    Asking { again: Duration },
}

/// The link that is registered with the relay.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) since: Duration,
    /// Id of the HTTP request whose body comes next.
    pub(super) body_of: Option<String>,
    last_seen: Duration,
    heard: bool,
    next_ping: Option<Duration>,
    ping_sent: Option<Duration>,
    renewal: Renewal,
    renewed_at: Option<Duration>,
    token: Option<Secret>,
    expires: Option<Duration>,
    recycle_at: Option<Duration>,
}

/// A link on its way out.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) id: LinkId,
    pub(super) until: Duration,
    /// The relay has closed it; the answer waits for the replacement.
    pub(super) held: bool,
    /// The closing handshake has begun.
    pub(super) disconnecting: bool,
    pub(super) body_of: Option<String>,
}

impl Leaving {
    /// Still receiving until `until`.
    pub(super) fn overlapping(link: Link, until: Duration) -> Self {
        Self { id: link.id, until, held: false, disconnecting: false, body_of: link.body_of }
    }

    /// Closed by the relay, not yet answered.
    pub(super) fn held(id: LinkId, until: Duration) -> Self {
        Self { id, until, held: true, disconnecting: false, body_of: None }
    }
}

impl Link {
    pub(super) fn new(
        id: LinkId,
        now: Duration,
        (token, expires): (Option<Secret>, Option<Duration>),
        recycle: Duration,
        config: &MachineConfig,
        rng: &mut Rng,
    ) -> Self {
        let recycle_at =
            (!recycle.is_zero()).then(|| now.saturating_add(between(rng, recycle.mul_f64(0.96), recycle)));
        let mut link = Self {
            id,
            since: now,
            body_of: None,
            last_seen: now,
            heard: false,
            // The first ping goes out at once: its answer shows that pings are answered here.
            next_ping: (!config.keep_alive.interval.is_zero()).then_some(now),
            ping_sent: None,
            renewal: Renewal::None,
            renewed_at: None,
            token,
            expires,
            recycle_at,
        };
        link.schedule_renewal(now, &config.tokens, rng);
        link
    }

    pub(super) fn next_deadline(&self, patience: Option<Duration>) -> Option<Duration> {
        let renewal = match self.renewal {
            Renewal::None => None,
            Renewal::At(at) | Renewal::Asking { again: at } => Some(at),
        };
        let dead = patience.map(|patience| self.last_seen.saturating_add(patience));
        [self.next_ping, renewal, self.recycle_at, dead].into_iter().flatten().min()
    }

    pub(super) fn renewed_lately(&self, now: Duration) -> bool {
        self.renewed_at.is_some_and(|at| now.saturating_sub(at) < RENEWAL_BLAME)
    }

    fn schedule_renewal(&mut self, now: Duration, tokens: &Tokens, rng: &mut Rng) {
        let life = match (tokens, self.expires) {
            // As good as expired by our clock, but the relay took it: the clock says nothing about the end.
            (Tokens::Provider, Some(expires)) if expires <= now.saturating_add(IMMINENT) => DOUBTFUL_LIFE,
            (_, Some(expires)) => expires.saturating_sub(now),
            (Tokens::Provider, None) => OPAQUE_LIFE,
            (Tokens::Held(_), None) => {
                self.renewal = Renewal::None;
                return;
            }
        };
        self.renewal = Renewal::At(now.saturating_add(renewal_delay(life, rng)));
    }
}

/// At 75 to 80 % of the token's life, and five minutes before its end where that leaves near half of it (a token
/// for ten minutes has a little less left when it gets here).
fn renewal_delay(life: Duration, rng: &mut Rng) -> Duration {
    let share = between(rng, life.mul_f64(0.75), life.mul_f64(0.80));
    let delay = if life >= RENEWAL_MARGIN.mul_f64(1.8) {
        let latest = life - RENEWAL_MARGIN;
        share.min(between(rng, latest.mul_f64(0.95), latest))
    } else {
        share
    };
    delay.max(RENEWAL_MIN)
}

impl Machine {
    /// How long the link may be silent.
    pub(super) fn patience(&self) -> Option<Duration> {
        let keep_alive = &self.config.keep_alive;
        if keep_alive.timeout.is_zero() {
            return None;
        }
        let answers = keep_alive.mode == KeepAliveMode::Ping && !keep_alive.interval.is_zero();
        // One link may die of silence on the strength of hope; the next one gets more time until a pong is seen.
        if answers && (self.pong_seen || self.silent_links == 0) {
            keep_alive::patience(keep_alive.timeout, keep_alive.interval, true)
        } else {
            Some(keep_alive.timeout.max(RELAXED_TIMEOUT))
        }
    }

    /// A deadline is looked at so late: we did not run, and what the relay has sent meanwhile comes only now.
    pub(super) fn forgive(&mut self, late: Duration) {
        let (now, patience) = (self.now, self.patience());
        if let (Some(link), Some(patience)) = (&mut self.link, patience) {
            let silence = keep_alive::counted(now.saturating_sub(link.last_seen), late, patience);
            link.last_seen = now.saturating_sub(silence);
        }
    }

    /// Notes a sign of life; false for a link that is not ours any more.
    pub(super) fn touch(&mut self, id: LinkId) -> bool {
        match &mut self.link {
            Some(link) if link.id == id => {
                link.last_seen = self.now;
                link.heard = true;
                true
            }
            _ => self.leaving.iter().any(|leaving| leaving.id == id && !leaving.held),
        }
    }

    pub(super) fn pong(&mut self, id: LinkId) {
        let Some(link) = self.link.as_mut().filter(|link| link.id == id) else { return };
        if let Some(sent) = link.ping_sent.take() {
            self.rtt = Some(self.now.saturating_sub(sent));
            self.pong_seen = true;
            self.silent_links = 0;
        }
    }

    pub(super) fn run_link_timers(&mut self) {
        let (now, patience) = (self.now, self.patience());
        let Some(link) = &mut self.link else { return };
        if patience.is_some_and(|patience| now >= link.last_seen.saturating_add(patience)) {
            return self.dead();
        }
        if link.next_ping.is_some_and(|at| at <= now) {
            link.next_ping = Some(now.saturating_add(self.config.keep_alive.interval));
            let action = match self.config.keep_alive.mode {
                KeepAliveMode::Ping => {
                    link.ping_sent.get_or_insert(now);
                    ChannelAction::Ping(link.id)
                }
                KeepAliveMode::Pong => ChannelAction::Pong(link.id),
            };
            self.actions.push(action);
        }
        if link.recycle_at.is_some_and(|at| at <= now) {
            link.recycle_at = None;
            if matches!(self.attempt, Attempt::Idle) {
                self.settle();
                self.begin();
            }
        }
        self.run_renewal_timer();
    }

    fn dead(&mut self) {
        let Some(link) = self.link.take() else { return };
        if !link.heard {
            self.silent_links = self.silent_links.saturating_add(1);
        }
        self.actions.push(ChannelAction::Drop(link.id));
        let silence = self.now.saturating_sub(link.last_seen).as_secs_f64();
        let text = format!("The control channel is dead: nothing came in {silence:.1} s");
        self.after_link(&link, false, RelayError::new(ErrorKind::Disconnected, text));
    }

    fn run_renewal_timer(&mut self) {
        let again = self.now + self.config.token_timeout;
        let provider = self.has_provider();
        let Some(link) = &mut self.link else { return };
        match link.renewal {
            Renewal::At(at) if at <= self.now && provider => {
                link.renewal = Renewal::Asking { again };
                self.actions.push(ChannelAction::RequestToken { refresh: false, reason: TokenReason::Renew });
            }
            Renewal::At(at) if at <= self.now => {
                link.renewal = Renewal::None;
                let text = "The token is about to expire and there is nobody to ask for another";
                self.complain(&RelayError::new(ErrorKind::Token, text));
            }
            Renewal::Asking { again: at } if at <= self.now => {
                link.renewal = Renewal::Asking { again };
                let text = "The token provider has not answered in time; asking again";
                self.complain(&RelayError::new(ErrorKind::Token, text));
                self.actions.push(ChannelAction::RequestToken { refresh: false, reason: TokenReason::Renew });
            }
            _ => {}
        }
    }

    /// The provider answered; does the link wait for it?
    pub(super) fn renewal_answered(&mut self, value: &Secret, life: Option<Duration>) {
        let now = self.now;
        let Some(link) = self.link.as_mut().filter(|link| matches!(link.renewal, Renewal::Asking { .. }))
        else {
            return;
        };
        let same = link.token.as_ref() == Some(value);
        if same && life.is_none() {
            return link.schedule_renewal(now, &self.config.tokens, &mut self.rng);
        }
        let no_newer = match (link.expires, life) {
            (Some(old), Some(life)) => now.saturating_add(life) <= old.saturating_add(Duration::from_secs(1)),
            _ => false,
        };
        if same || no_newer {
            let text = "The token provider returned a token that lives no longer than the current one";
            return self.renewal_failed(&RelayError::new(ErrorKind::Token, text));
        }
        if self.replace_to_renew && matches!(self.attempt, Attempt::Idle) {
            // Should the replacement fail for good, the old way is tried after all.
            link.renewal = Renewal::At(now + self.config.token_timeout);
            return self.dial(Some(value.clone()), life);
        }
        self.send_renewal(value, life);
    }

    /// Asks again soon, but not in a hurry: the current token is still good for a while.
    pub(super) fn renewal_failed(&mut self, error: &RelayError) {
        let Some(link) = self.link.as_mut().filter(|link| matches!(link.renewal, Renewal::Asking { .. }))
        else {
            return;
        };
        let delay = self.token_backoff.next_patient(&mut self.rng).max(Duration::from_secs(1));
        link.renewal = Renewal::At(self.now + delay);
        self.complain(error);
    }

    /// Puts a new token to use on the link that is up.
    pub(super) fn send_renewal(&mut self, value: &Secret, life: Option<Duration>) {
        let now = self.now;
        let Some(link) = &mut self.link else { return };
        link.token = Some(value.clone());
        link.expires = life.map(|life| now.saturating_add(life));
        link.renewed_at = Some(now);
        link.schedule_renewal(now, &self.config.tokens, &mut self.rng);
        self.actions.push(ChannelAction::Send(link.id, control::renew_token(value.expose())));
        self.token_backoff.reset();
        self.complained = None;
        let expires_in = life.map(|life| u64::try_from(life.as_millis()).unwrap_or(u64::MAX));
        self.emit(ListenerEvent::TokenRenewed { channel: self.config.channel, expires_in });
    }

    pub(super) fn run_leaving_timers(&mut self) {
        let now = self.now;
        let close_until = now + self.config.close_timeout;
        let actions = &mut self.actions;
        self.leaving.retain_mut(|leaving| {
            if leaving.until > now {
                return true;
            }
            if leaving.held || leaving.disconnecting {
                actions.push(ChannelAction::Drop(leaving.id));
                return false;
            }
            actions.push(ChannelAction::Disconnect(leaving.id));
            leaving.disconnecting = true;
            leaving.until = close_until;
            !self.config.close_timeout.is_zero()
        });
    }
}
