//! How long a peer may be silent, for relayed sockets and control channels alike.

use std::time::Duration;

/// A deadline that was seen later than by this part of the patience was not just missed: we did not run.
const NOTICEABLE: u32 = 8;

/// What is sent to keep a connection alive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepAliveMode {
    /// A WebSocket ping, which the peer answers.
    #[default]
    Ping,
    /// An unsolicited pong, for peers that take pings amiss; nothing answers it.
    Pong,
}

/// How an idle connection is kept alive, and how long it may stay silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Time between two pings; on a control channel zero is for none.
    pub interval: Duration,
    /// The connection is dead after this long without any inbound frame, see [`patience`]; zero switches that off.
    pub timeout: Duration,
    /// What is sent.
    pub mode: KeepAliveMode,
}

impl KeepAlive {
    /// Nothing is sent, and the peer may stay silent for ever: on a control channel.
    pub const OFF: Self =
        Self { interval: Duration::ZERO, timeout: Duration::ZERO, mode: KeepAliveMode::Ping };
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            mode: KeepAliveMode::Ping,
        }
    }
}

/// The silence after which a peer is dead; `None` where `timeout` is zero, for never. A peer that is pinged each
/// `interval` has been so, and has had half an interval to answer.
pub fn patience(timeout: Duration, interval: Duration, pings: bool) -> Option<Duration> {
    let least = if pings { interval.saturating_add(interval / 2) } else { Duration::ZERO };
    (!timeout.is_zero()).then(|| timeout.max(least))
}

/// How much of a `silence` counts when a deadline is looked at so `late`. While a process is stopped or its machine
/// asleep nobody reads, and what the peer has sent waits. So that time does not count, and there is time to read it, and
/// for an answer to come.
pub fn counted(silence: Duration, late: Duration, patience: Duration) -> Duration {
    let awake = silence.saturating_sub(late);
    if late > patience / NOTICEABLE { awake.min(patience / 2) } else { awake }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_peer_has_been_pinged_before_it_is_dead() {
        assert_eq!(patience(seconds(60), seconds(30), true), Some(seconds(60)));
        assert_eq!(patience(seconds(10), seconds(30), true), Some(seconds(45)));
        assert_eq!(patience(seconds(10), seconds(30), false), Some(seconds(10)));
        assert_eq!(patience(Duration::ZERO, seconds(30), true), None);
        assert_eq!(patience(seconds(1), Duration::MAX, true), Some(Duration::MAX));
    }

    #[test]
    fn the_time_in_which_we_did_not_run_does_not_count() {
        let patience = seconds(60);
        // Silent for ten seconds, then stopped for an hour and twenty seconds early for the ping.
        assert_eq!(counted(seconds(3610), seconds(3600), patience), seconds(10));
        // As good as dead when it was stopped: there is time to look.
        assert_eq!(counted(seconds(3659), seconds(3600), patience), seconds(30));
        // A late timer is not worth much.
        assert_eq!(counted(seconds(61), seconds(1), patience), patience);
        // Something has been read since.
        assert_eq!(counted(Duration::ZERO, seconds(3600), patience), Duration::ZERO);
    }
}
