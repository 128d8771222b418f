//! Where the channels' tokens come from: of one provider, whose answers go to all who can use them, or of a SAS rule.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::config::{ListenerConfig, SasRule, Secret, check_token};
use super::events::ListenerEvent;
use crate::error::{ErrorKind, RelayError};
use crate::sas;

/// Who waits for a token.
#[derive(Debug, Default)]
pub(super) struct Broker {
    /// Channel, wants a fresh one.
    waiting: Vec<(u16, bool)>,
    /// When the provider was last asked, and whether for a fresh one.
    asked: Option<(Instant, bool)>,
}

impl Broker {
    /// Notes a request; the event to emit if the provider has to be asked.
    pub(super) fn request(
        &mut self,
        now: Instant,
        patience: Duration,
        (channel, refresh): (u16, bool),
    ) -> Option<ListenerEvent> {
        match self.waiting.iter_mut().find(|(waiting, _)| *waiting == channel) {
            Some(entry) => entry.1 |= refresh,
            None => self.waiting.push((channel, refresh)),
        }
        // A channel asks again when its patience ends: then the old request counts as lost.
        if self.asked.is_some_and(|(at, _)| now.saturating_duration_since(at) < patience) {
            return None;
        }
        self.asked = Some((now, refresh));
        Some(ListenerEvent::Token)
    }

    /// The provider has answered: the channels to tell, and the event to emit if others need a fresher token.
    pub(super) fn answer(&mut self, now: Instant) -> (Vec<u16>, Option<ListenerEvent>) {
        let fresh = self.asked.take().is_some_and(|(_, refresh)| refresh);
        let served = self.waiting.extract_if(.., |(_, refresh)| fresh || !*refresh);
        let channels = served.map(|(channel, _)| channel).collect();
        // Whoever is left needs a fresh one.
        self.asked = self.waiting.first().map(|(_, refresh)| (now, *refresh));
        (channels, self.asked.map(|_| ListenerEvent::Token))
    }
}

/// Makes tokens of a SAS rule.
pub(super) struct Signer {
    rule: SasRule,
    /// The key that signs.
    current: usize,
    /// The one that signed the last token of each channel.
    used: Vec<usize>,
}

impl Signer {
    /// `None` where tokens come from elsewhere.
    pub(super) fn new(config: &ListenerConfig) -> Option<Self> {
        let rule = config.rule.clone()?;
        Some(Self { rule, current: 0, used: vec![0; config.control_channels.into()] })
    }

    /// A token for `channel`. If its last one was `refused`, the next key signs from now on, unless another channel has
    /// seen to that.
    pub(super) fn sign(&mut self, channel: u16, refused: bool) -> Result<Secret, RelayError> {
        let SasRule { name, keys, lifetime, audience } = &self.rule;
        let used = self.used.get_mut(usize::from(channel));
        if refused && used.as_ref().is_none_or(|used| **used == self.current) {
            self.current = (self.current + 1) % keys.len().max(1);
        }
        if let Some(used) = used {
            *used = self.current;
        }
        let failed = |why: &str| RelayError::new(ErrorKind::Token, format!("No token could be made: {why}"));
        let key = keys.get(self.current).ok_or_else(|| failed("there is no key"))?;
        let expires_at = expiry(*lifetime).ok_or_else(|| failed("its lifetime is too long"))?;
        let token = sas::sign(audience, name, key.expose(), expires_at);
        let token = Secret::new(token.map_err(|error| failed(&error.message))?);
        check_token(token.expose()).map(|()| token)
    }
}

/// The end of a life that begins now, in Unix seconds.
fn expiry(lifetime: Duration) -> Option<i64> {
    /// The last instant that JavaScript's `Date` knows.
    const LAST: Duration = Duration::from_millis(8_640_000_000_000_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = now.checked_add(lifetime).filter(|end| *end <= LAST)?;
    i64::try_from(end.as_secs()).ok()
}

/// The rest of a token's life by the wall clock; zero if it is over.
pub(super) fn life_of(token: &str) -> Option<Duration> {
    let expires = sas::expiry_of(token)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = Duration::from_secs(u64::try_from(expires).unwrap_or(0));
    Some(end.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_serves_all_channels() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        assert!(broker.request(now, patience, (0, false)).is_some());
        assert!(broker.request(now, patience, (1, false)).is_none());
        let (channels, again) = broker.answer(now);
        assert_eq!(channels, [0, 1]);
        assert!(again.is_none());
        assert_eq!(broker.answer(now).0, [] as [u16; 0]);
    }

    #[test]
    fn a_cached_token_does_not_serve_who_needs_a_fresh_one() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        broker.request(now, patience, (0, false));
        broker.request(now, patience, (1, true));
        let (channels, again) = broker.answer(now);
        assert_eq!(channels, [0]);
        assert!(matches!(again, Some(ListenerEvent::Token)));
        assert_eq!(broker.answer(now).0, [1]);
    }

    #[test]
    fn a_channel_whose_token_was_refused_goes_on_wanting_another() {
        let patience = Duration::from_secs(60);
        // It may ask again before there is an answer, for another reason too.
        for (first, second) in [(false, true), (true, false), (true, true)] {
            let (mut broker, now) = (Broker::default(), Instant::now());
            broker.request(now, patience, (1, false));
            broker.request(now, patience, (0, first));
            broker.request(now, patience, (0, second));
            let (channels, again) = broker.answer(now);
            assert_eq!(channels, [1], "the refused token is not served again");
            assert!(matches!(again, Some(ListenerEvent::Token)));
            assert_eq!(broker.answer(now).0, [0]);
        }
    }

    #[test]
    fn a_lost_question_is_asked_again() {
        let (mut broker, now) = (Broker::default(), Instant::now());
        let patience = Duration::from_secs(60);
        broker.request(now, patience, (0, false));
        assert!(broker.request(now + patience, patience, (0, false)).is_some());
        assert_eq!(broker.answer(now).0, [0]);
    }

    fn signer(keys: &[&str], lifetime: Duration, audience: &str) -> Signer {
        let mut config = ListenerConfig::new("wss://ns.test/$hc/hyco?sb-hc-action=listen").unwrap();
        config.control_channels = 2;
        config.rule = Some(SasRule {
            name: "rule".into(),
            keys: keys.iter().map(|key| Secret::new(*key)).collect(),
            lifetime,
            audience: audience.into(),
        });
        Signer::new(&config).unwrap()
    }

    fn signed_with(token: &Secret, key: &str) -> bool {
        sas::parse(token.expose()).unwrap().is_signed_with(key)
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const AUDIENCE: &str = "wss://ns.test:443/$hc/hyco?sb-hc-action=listen";

    #[test]
    fn a_rule_makes_tokens_for_its_audience() {
        let token = signer(&["first"], HOUR, AUDIENCE).sign(0, false).unwrap();
        let parsed = sas::parse(token.expose()).unwrap();
        assert_eq!((parsed.resource.as_str(), parsed.key_name.as_str()), ("http://ns.test:443/hyco", "rule"));
        let life = life_of(token.expose()).unwrap();
        assert!(life <= HOUR && life > HOUR - Duration::from_secs(10));
        assert!(signed_with(&token, "first"));
    }

    #[test]
    fn the_next_key_signs_once_a_token_was_refused() {
        let mut signer = signer(&["first", "second"], HOUR, AUDIENCE);
        for (refused, key) in [(false, "first"), (true, "second"), (false, "second"), (true, "first")] {
            assert!(signed_with(&signer.sign(0, refused).unwrap(), key));
        }
    }

    #[test]
    fn two_channels_that_were_refused_go_on_to_the_same_key() {
        let mut signer = signer(&["first", "second"], HOUR, AUDIENCE);
        signer.sign(0, false).unwrap();
        signer.sign(1, false).unwrap();
        assert!(signed_with(&signer.sign(0, true).unwrap(), "second"));
        assert!(signed_with(&signer.sign(1, true).unwrap(), "second"));
        assert!(signed_with(&signer.sign(1, true).unwrap(), "first"));
    }

    #[test]
    fn what_cannot_be_signed_is_a_failure_that_shows_no_key() {
        for mut signer in [
            signer(&["s3cret"], HOUR, "no uri"),
            signer(&["s3cret"], Duration::MAX, AUDIENCE),
            signer(&["s3cret"], Duration::from_secs(8_640_000_000_000), AUDIENCE),
            signer(&[], HOUR, AUDIENCE),
        ] {
            let error = signer.sign(0, true).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Token);
            assert!(!error.message.contains("s3cret"), "{}", error.message);
        }
        let mut signer = signer(&["key"], HOUR, AUDIENCE);
        signer.rule.name = "r\u{fc}le".into();
        assert_eq!(signer.sign(0, false).unwrap_err().kind, ErrorKind::Token);
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
