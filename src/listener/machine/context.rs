//! What every part of a channel's machine works with: options, the time, random numbers, and the list of actions.

use std::time::Duration;

use super::terms::{ChannelAction, MachineConfig};
use crate::error::{ErrorKind, RelayError};
use crate::listener::backoff::{Backoff, REFUSED_MAX, Rng};
use crate::listener::config::ReconnectConfig;
use crate::listener::events::ListenerEvent;

/// Malformed messages that are reported in a minute; the rest are survived in silence.
const REPORTS_PER_MINUTE: u32 = 20;

/// Handed to the attempt, the link and the others with each call.
pub(super) struct ChannelContext {
    pub(super) config: MachineConfig,
    pub(super) rng: Rng,
    /// Since the start.
    pub(super) now: Duration,
    /// For the provider, whoever asks it: its trouble is not the relay's.
    pub(super) token_backoff: Backoff,
    pub(super) actions: Vec<ChannelAction>,
    /// The kind of trouble that the owner was already told about.
    complained: Option<&'static str>,
    /// Malformed messages since the beginning of a minute.
    malformed: (Duration, u32),
}

impl ChannelContext {
    pub(super) fn new(config: MachineConfig, rng: Rng) -> Self {
        let ReconnectConfig { min_delay, max_delay, .. } = config.reconnect;
        Self {
            config,
            rng,
            now: Duration::ZERO,
            token_backoff: Backoff::new(min_delay, max_delay.saturating_mul(2).min(REFUSED_MAX)),
            actions: Vec::new(),
            complained: None,
            malformed: (Duration::ZERO, 0),
        }
    }

    pub(super) fn request_token(&mut self, refresh: bool) {
        self.actions.push(ChannelAction::RequestToken { refresh });
    }

    pub(super) fn emit(&mut self, event: ListenerEvent) {
        self.actions.push(ChannelAction::Emit(event));
    }

    pub(super) fn emit_error(&mut self, error: &RelayError, terminal: bool) {
        let channel = self.config.channel;
        self.emit(ListenerEvent::Error { channel, error: error.clone(), terminal });
    }

    /// Tells the owner about lasting trouble once, not with every retry.
    pub(super) fn complain(&mut self, error: &RelayError) {
        let code = error.kind.code();
        if self.complained != Some(code) {
            self.complained = Some(code);
            self.emit_error(error, false);
        }
    }

    pub(super) fn complain_of_silent_provider(&mut self) {
        let text = "The token provider has not answered in time; asking again";
        self.complain(&RelayError::new(ErrorKind::Token, text));
    }

    /// All is well, also with the provider: the owner is told of the next trouble.
    pub(super) fn trouble_is_over(&mut self) {
        self.complained = None;
        self.token_backoff.reset();
    }

    /// Tells the owner, but not so often that a hostile peer could flood it.
    pub(super) fn report_malformed(&mut self, message: String) {
        let (since, count) = &mut self.malformed;
        if self.now.saturating_sub(*since) >= Duration::from_secs(60) {
            (*since, *count) = (self.now, 0);
        }
        *count = count.saturating_add(1);
        if *count <= REPORTS_PER_MINUTE {
            self.emit(ListenerEvent::Malformed { channel: self.config.channel, message });
        }
    }
}
