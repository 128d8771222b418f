//! A link that is up: signs of life, pings and its age.

use std::time::Duration;

use super::context::ChannelContext;
use super::link_token::LinkToken;
use super::messages::LinkRequests;
use super::terms::{ChannelAction, LinkId};
use crate::keep_alive;
use crate::listener::backoff::between;
use crate::listener::config::{KeepAlive, KeepAliveMode, Secret};

/// Patience with a relay that has not answered our pings so far: it sends a pong of its own every 210 s.
const RELAXED_TIMEOUT: Duration = Duration::from_secs(270);

/// The link that is registered with the relay.
#[derive(Debug)]
pub(super) struct ControlLink {
    pub(super) id: LinkId,
    pub(super) since: Duration,
    pub(super) requests: LinkRequests,
    pub(super) token: LinkToken,
    last_seen: Duration,
    heard: bool,
    next_ping: Option<Duration>,
    ping_sent: Option<Duration>,
    recycle_at: Option<Duration>,
}

impl ControlLink {
    /// A link that was dialled with `token` and its end, and is replaced at `age`.
    pub(super) fn new(
        id: LinkId,
        token: (Secret, Option<Duration>),
        age: Duration,
        context: &mut ChannelContext,
    ) -> Self {
        let now = context.now;
        let last = |age: Duration| now.saturating_add(between(&mut context.rng, age.mul_f64(0.96), age));
        Self {
            id,
            since: now,
            requests: LinkRequests::default(),
            recycle_at: (!age.is_zero()).then_some(age).map(last),
            token: LinkToken::new(token, context),
            last_seen: now,
            heard: false,
            // The first ping goes out at once: its answer shows that pings are answered here.
            next_ping: (!context.config.keep_alive.interval.is_zero()).then_some(now),
            ping_sent: None,
        }
    }

    pub(super) fn next_deadline(&self, patience: Option<Duration>) -> Option<Duration> {
        let dead = patience.map(|patience| self.last_seen.saturating_add(patience));
        [self.next_ping, Some(self.token.deadline()), self.recycle_at, dead].into_iter().flatten().min()
    }

    /// Notes a sign of life.
    pub(super) fn touch(&mut self, now: Duration) {
        self.last_seen = now;
        self.heard = true;
    }

    /// The round trip, if a ping of ours was answered.
    pub(super) fn pong(&mut self, now: Duration) -> Option<Duration> {
        self.ping_sent.take().map(|sent| now.saturating_sub(sent))
    }

    pub(super) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_seen)
    }

    /// A deadline is looked at so `late`: we did not run, and what the relay has sent meanwhile comes only now.
    pub(super) fn forgive(&mut self, now: Duration, late: Duration, patience: Duration) {
        self.last_seen = now.saturating_sub(keep_alive::counted(self.silence(now), late, patience));
    }

    pub(super) fn is_dead(&self, now: Duration, patience: Option<Duration>) -> bool {
        patience.is_some_and(|patience| now >= self.last_seen.saturating_add(patience))
    }

    /// Sends a ping, if it is time to.
    pub(super) fn run_ping_timer(&mut self, context: &mut ChannelContext) {
        let (now, keep_alive) = (context.now, &context.config.keep_alive);
        if self.next_ping.is_none_or(|at| at > now) {
            return;
        }
        self.next_ping = Some(now.saturating_add(keep_alive.interval));
        context.actions.push(match keep_alive.mode {
            KeepAliveMode::Ping => {
                self.ping_sent.get_or_insert(now);
                ChannelAction::Ping(self.id)
            }
            KeepAliveMode::Pong => ChannelAction::Pong(self.id),
        });
    }

    /// True, once, when the link is old enough to be replaced.
    pub(super) fn recycle_due(&mut self, now: Duration) -> bool {
        self.recycle_at.take_if(|at| *at <= now).is_some()
    }
}

/// How the relay has dealt with our pings so far, from link to link.
#[derive(Debug, Default)]
pub(super) struct PingAnswers {
    /// One was answered since the start.
    seen: bool,
    /// Links in a row that died without having shown any sign of life.
    silent_links: u32,
    /// The last round trip.
    pub(super) rtt: Option<Duration>,
}

impl PingAnswers {
    pub(super) fn answered(&mut self, rtt: Duration) {
        *self = Self { seen: true, silent_links: 0, rtt: Some(rtt) };
    }

    pub(super) fn died(&mut self, link: &ControlLink) {
        if !link.heard {
            self.silent_links = self.silent_links.saturating_add(1);
        }
    }

    /// How long a link may be silent. Not every relay answers pings, which shows only when a link dies of it. So one
    /// link may; those after it get more time, until a pong was seen.
    pub(super) fn patience(&self, keep_alive: &KeepAlive) -> Option<Duration> {
        if keep_alive.timeout.is_zero() {
            return None;
        }
        let pings = keep_alive.mode == KeepAliveMode::Ping && !keep_alive.interval.is_zero();
        if pings && (self.seen || self.silent_links == 0) {
            keep_alive::patience(keep_alive.timeout, keep_alive.interval, true)
        } else {
            Some(keep_alive.timeout.max(RELAXED_TIMEOUT))
        }
    }
}
