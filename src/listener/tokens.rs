//! Many channels, one token provider: requests are put together, and each answer goes to all who can use it.

#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::events::{ListenerEvent, TokenReason};

/// Who waits for a token.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// Channel, wants a fresh one, what for.
    waiting: Vec<(u16, bool, TokenReason)>,
    /// When the provider was last asked, and whether for a fresh one.
    asked: Option<(Instant, bool)>,
}

impl Broker {
    /// Notes a request; the event to emit if the provider has to be asked.
    pub(super) fn request(
        &mut self,
        now: Instant,
        patience: Duration,
        (channel, refresh, reason): (u16, bool, TokenReason),
    ) -> Option<ListenerEvent> {
        match self.waiting.iter_mut().find(|(waiting, ..)| *waiting == channel) {
            Some(entry) => entry.1 |= refresh,
            None => self.waiting.push((channel, refresh, reason)),
        }
        // A channel asks again when its patience ends: then the old request counts as lost.
        if self.asked.is_some_and(|(at, _)| now.saturating_duration_since(at) < patience) {
            return None;
        }
        self.asked = Some((now, refresh));
        Some(ListenerEvent::Token { refresh, reason })
    }

    /// The provider has answered: the channels to tell, and the event to emit if others need a fresher token.
    pub(super) fn answer(&mut self, now: Instant) -> (Vec<u16>, Option<ListenerEvent>) {
        let fresh = self.asked.take().is_some_and(|(_, refresh)| refresh);
        let served = self.waiting.extract_if(.., |(_, refresh, _)| fresh || !*refresh);
        let channels = served.map(|(channel, ..)| channel).collect();
        let again = self.waiting.first().map(|(_, refresh, reason)| (*refresh, *reason));
        let event = again.map(|(refresh, reason)| {
            self.asked = Some((now, refresh));
            ListenerEvent::Token { refresh, reason }
        });
        (channels, event)
    }
}

/// The rest of a token's life by the wall clock; zero if it is over.
pub(super) fn life_of(token: &str) -> Option<Duration> {
    let expires = crate::sas::expiry_of(token)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = Duration::from_secs(u64::try_from(expires).unwrap_or(0));
    Some(end.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT: TokenReason = TokenReason::Connect;

    #[test]
    fn one_question_serves_all_channels() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        assert!(broker.request(now, patience, (0, false, CONNECT)).is_some());
        assert!(broker.request(now, patience, (1, false, CONNECT)).is_none());
        let (channels, again) = broker.answer(now);
        assert_eq!(channels, [0, 1]);
        assert!(again.is_none());
        assert_eq!(broker.answer(now).0, [] as [u16; 0]);
    }

    #[test]
    fn a_cached_token_does_not_serve_who_needs_a_fresh_one() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        broker.request(now, patience, (0, false, CONNECT));
        broker.request(now, patience, (1, true, TokenReason::Refused));
        let (channels, again) = broker.answer(now);
        assert_eq!(channels, [0]);
        assert!(matches!(again, Some(ListenerEvent::Token { refresh: true, .. })));
        assert_eq!(broker.answer(now).0, [1]);
    }

    #[test]
    fn a_channel_whose_token_was_refused_goes_on_wanting_another() {
        let patience = Duration::from_secs(60);
        // It may ask again before there is an answer, for another reason too.
        for (first, second) in [(false, true), (true, false), (true, true)] {
            let (mut broker, now) = (Broker::default(), Instant::now());
            broker.request(now, patience, (1, false, CONNECT));
            broker.request(now, patience, (0, first, CONNECT));
            broker.request(now, patience, (0, second, CONNECT));
            let (channels, again) = broker.answer(now);
            assert_eq!(channels, [1], "the refused token is not served again");
            assert!(matches!(again, Some(ListenerEvent::Token { refresh: true, .. })));
            assert_eq!(broker.answer(now).0, [0]);
        }
    }

    #[test]
    fn a_lost_question_is_asked_again() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        broker.request(now, patience, (0, false, CONNECT));
        assert!(broker.request(now + patience, patience, (0, false, CONNECT)).is_some());
        assert_eq!(broker.answer(now).0, [0]);
    }

    #[test]
    fn reads_the_rest_of_a_life() {
        let token = |end: u64| {
            format!(
                "SharedAccessSignature sr=a&sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D&se={end}&skn=c"
            )
        };
        assert_eq!(life_of(&token(1)), Some(Duration::ZERO));
        assert!(life_of(&token(99_999_999_999)).unwrap() > Duration::from_secs(1));
        assert_eq!(life_of("opaque"), None);
    }
}
