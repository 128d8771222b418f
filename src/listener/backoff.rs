//! When to dial again, and when not to: the delay policy and the rule for each way in which a dial can fail.
//!
//! A control connection is billed for five minutes even if it lasts a second, so restraint is a money feature.

use std::time::Duration;

use super::config::ReconnectConfig;
use crate::error::{ErrorKind, RelayError};

/// A source of numbers in `0.0..1.0`; injected, so that tests decide.
pub type Rng = Box<dyn FnMut() -> f64 + Send>;

/// Least delay of any policy, apart from the first retry.
const DELAY_MIN: Duration = Duration::from_millis(10);
/// Longest delay of any policy.
const DELAY_MAX: Duration = Duration::from_secs(365 * 86_400);
/// Longest delay after a refusal that only its owner can cure (credentials, configuration).
pub const REFUSED_MAX: Duration = Duration::from_secs(60);
/// Least delay after "busy" without a `Retry-After`.
const BUSY_MIN: Duration = Duration::from_secs(5);
/// Least delay after a quota refusal: only another listener's end cures it.
const QUOTA_MIN: Duration = Duration::from_secs(30);
/// A `Retry-After` beyond this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// A number from `low..high`.
pub fn between(rng: &mut Rng, low: Duration, high: Duration) -> Duration {
    let share = rng().clamp(0.0, 1.0);
    low + high.saturating_sub(low).mul_f64(if share.is_nan() { 0.5 } else { share })
}

/// First retry at once, then decorrelated jitter between the configured bounds.
///
/// The lower bound rises with the attempts (up to a third of the upper one), so that bad luck with the jitter
/// cannot turn a flapping relay into a storm.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    attempt: u32,
    previous: Duration,
}

impl Backoff {
    /// A policy between `min` and `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        // Not even an owner who asks for no delay at all gets a storm.
        let min = min.clamp(DELAY_MIN, DELAY_MAX);
        Self { min, max: max.clamp(min, DELAY_MAX), attempt: 0, previous: min }
    }

    /// Retries since the last reset.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The delay before the next retry; counts it.
    pub fn next(&mut self, rng: &mut Rng) -> Duration {
        self.next_within(rng, Duration::ZERO, self.max)
    }

    /// The same for what only the owner can cure: up to twice the usual limit, but no more than a minute.
    pub fn next_patient(&mut self, rng: &mut Rng) -> Duration {
        self.next_within(rng, self.min, self.max.saturating_mul(2).min(REFUSED_MAX).max(self.max))
    }

    /// The same, at least `least` and so much more that many listeners do not come back together.
    pub fn next_slow(&mut self, rng: &mut Rng, least: Duration) -> Duration {
        self.next_within(rng, least, self.max.max(least.mul_f64(1.5)))
    }

    fn next_within(&mut self, rng: &mut Rng, least: Duration, most: Duration) -> Duration {
        self.attempt = self.attempt.saturating_add(1);
        if self.attempt == 1 && least.is_zero() {
            return Duration::ZERO;
        }
        let steps = self.attempt.saturating_sub(2).min(30);
        let rising = self.min.mul_f64(1.5_f64.powi(steps.cast_signed())).min(most / 3);
        let low = rising.max(self.min).max(least).min(most);
        let high = self.previous.saturating_mul(3).max(least.mul_f64(1.5)).clamp(low, most);
        self.previous = between(rng, low, high);
        self.previous
    }

    /// Counts a retry that comes at once for a reason of its own.
    pub fn count(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// Back to "at once".
    pub fn reset(&mut self) {
        self.attempt = 0;
        self.previous = self.min;
    }
}

/// What a failed dial asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nobody need know: try again by the usual policy.
    Retry,
    /// The service asked for patience: at least this long.
    Slow(Duration),
    /// The token was refused: get a fresh one, once at once, then patiently.
    FreshToken,
    /// Only the owner can cure it, but it may be cured: tell, and try again patiently.
    Report,
    /// Trying again is useless: tell, and stop.
    Stop,
}

/// The rule for `error`; `retry_after` is what the response asked for.
pub fn rule(error: &RelayError, retry_after: Option<Duration>, config: &ReconnectConfig) -> Rule {
    let asked = retry_after.map(|delay| delay.min(RETRY_AFTER_MAX)).filter(|delay| !delay.is_zero());
    if is_quota(error) {
        return Rule::Slow(asked.unwrap_or(QUOTA_MIN.min(config.max_delay)));
    }
    match error.kind {
        ErrorKind::Unauthorized => Rule::FreshToken,
        ErrorKind::Forbidden | ErrorKind::NotFound if config.retry_terminal => Rule::Report,
        ErrorKind::Forbidden | ErrorKind::NotFound => Rule::Stop,
        ErrorKind::InvalidArgument | ErrorKind::InvalidFormat => Rule::Stop,
        ErrorKind::Busy => Rule::Slow(asked.unwrap_or(BUSY_MIN.min(config.max_delay))),
        _ => match asked {
            Some(delay) => Rule::Slow(delay),
            None if error.is_transient() => Rule::Retry,
            None => Rule::Report,
        },
    }
}

/// The 26th listener of a hybrid connection, or another quota; the status is not documented, the text is.
fn is_quota(error: &RelayError) -> bool {
    let text = error.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
    error.status.is_some() && (text.contains("maximumlistenersperendpoint") || text.contains("quota"))
}

#[cfg(test)]
mod tests;
