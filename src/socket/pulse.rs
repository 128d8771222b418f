//! The keep-alive of one socket: when to ping, and when a silent peer is given up.

use std::time::Duration;

use tokio::time::Instant;

use crate::keep_alive::{self, KeepAlive, KeepAliveMode};

/// When a socket's peer is due a ping, and when it was heard last.
pub struct Pulse {
    next: Instant,
    heard: Instant,
    listening: bool,
    /// When the ping went out whose pong has not come yet.
    pinged: Option<Instant>,
}

/// What is to be done now, and when to look again.
pub struct Beat {
    /// A ping is due.
    pub ping: bool,
    /// When to look again.
    pub next: Instant,
}

impl Pulse {
    /// Both from now on.
    pub fn new(settings: &KeepAlive) -> Self {
        let now = Instant::now();
        Self { next: now + settings.interval, heard: now, listening: true, pinged: None }
    }

    /// The peer has sent something.
    pub fn hear(&mut self) {
        self.heard = Instant::now();
    }

    /// A ping was sent that the peer has to answer.
    pub fn pinged(&mut self, now: Instant) {
        self.pinged.get_or_insert(now);
    }

    /// A ping was answered: after how long, if that was measured.
    pub fn answered(&mut self) -> Option<Duration> {
        self.pinged.take().map(|pinged| pinged.elapsed())
    }

    /// Looks at the clock. `None`: the peer has been silent for too long. `listening` says whether anything is read.
    pub fn beat(&mut self, settings: &KeepAlive, listening: bool, now: Instant) -> Option<Beat> {
        let pings = settings.mode == KeepAliveMode::Ping;
        let patience = keep_alive::patience(settings.timeout, settings.interval, pings);
        let late = now.saturating_duration_since(self.due(patience));
        if !listening || !self.listening {
            // Nothing can be heard while we do not listen.
            self.heard = now;
            self.pinged = None;
        }
        self.listening = listening;
        if let Some(patience) = patience {
            let silence = keep_alive::counted(now.saturating_duration_since(self.heard), late, patience);
            self.heard = now - silence;
            if silence >= patience {
                return None;
            }
        }
        let ping = self.next <= now;
        if ping {
            self.next = now + settings.interval;
        }
        Some(Beat { ping, next: self.due(patience) })
    }

    /// When to look at the clock.
    fn due(&self, patience: Option<Duration>) -> Instant {
        let dead = patience.and_then(|patience| self.heard.checked_add(patience));
        dead.map_or(self.next, |dead| dead.min(self.next))
    }
}
