//! The keep-alive of one socket: when to ping, and when a silent peer is given up.

#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::driver::Cause;
use super::{Ending, KeepAlive, Masking, Outline, Socket};
use crate::frame::{MaskKeys, OpCode};
use crate::keep_alive;

/// The keep-alive of one socket.
pub(super) struct Pulse {
    next: Instant,
    pub(super) heard: Instant,
    listening: bool,
    /// When the ping went out whose pong has not come yet.
    pinged: Option<Instant>,
}

impl Pulse {
    pub(super) fn new(settings: &KeepAlive) -> Self {
        let now = Instant::now();
        Self { next: now + settings.interval, heard: now, listening: true, pinged: None }
    }

    /// A ping was answered: after how long, if that was measured.
    pub(super) fn answered(&mut self) -> Option<Duration> {
        self.pinged.take().map(|pinged| pinged.elapsed())
    }

    /// Pings if it is time to, and says when to look again; fails if the peer has been silent for too long.
    pub(super) fn beat(
        &mut self,
        settings: &KeepAlive,
        socket: &Arc<Socket>,
        keys: &mut MaskKeys,
    ) -> Result<Instant, Cause> {
        let now = Instant::now();
        let patience = keep_alive::patience(settings.timeout, settings.interval, !settings.pong);
        let late = now.saturating_duration_since(self.due(patience));
        let listening = socket.credit.reads();
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
                return Err(Cause::Timeout);
            }
        }
        if self.next <= now {
            self.next = now + settings.interval;
            let mut side = socket.side();
            if !side.closing && side.ending == Ending::No {
                let opcode = if settings.pong { OpCode::Pong } else { OpCode::Ping };
                let outline = Outline {
                    opcode,
                    fin: true,
                    rsv1: false,
                    compress: false,
                    mask: Masking::Random,
                    receipt: false,
                };
                side.outgoing.append(outline, Some(keys.next_key()), &[]);
                if !settings.pong {
                    self.pinged.get_or_insert(now);
                }
            }
        }
        Ok(self.due(patience))
    }

    /// When to look at the clock.
    fn due(&self, patience: Option<Duration>) -> Instant {
        let dead = patience.and_then(|patience| self.heard.checked_add(patience));
        dead.map_or(self.next, |dead| dead.min(self.next))
    }
}
