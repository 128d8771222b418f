//! Keeps the IO thread awake for a moment after it has read, where more is likely to come at once.
//!
//! Waking a thread on a core that sleeps costs more than everything that is done with a small message, on virtual
//! machines tens of microseconds. So the thread looks again for a while before it waits, and gives way to every other
//! thread each time. Whether that pays is learnt: where nothing came in time, it is tried ever more rarely.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

/// How long the thread looks: a little more than an answer takes that comes back through JavaScript and a peer nearby.
const WINDOW: Duration = Duration::from_micros(100);
/// After as many fruitless windows in a row the next ones are left out: two, then four, up to `MOST_SKIPPED`.
const PATIENCE: u32 = 2;
const MOST_SKIPPED: u32 = 128;

/// Whether it pays to look again, from how often it did.
#[derive(Debug, Default)]
struct Odds {
    misses: u32,
    skip: u32,
}

impl Odds {
    /// Whether to look after this read.
    fn try_now(&mut self) -> bool {
        let now = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        now
    }

    fn hit(&mut self) {
        self.misses = 0;
    }

    fn miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
        if self.misses >= PATIENCE {
            let doublings = (self.misses - PATIENCE + 1).min(MOST_SKIPPED.ilog2());
            self.skip = 1 << doublings;
        }
    }
}

#[derive(Default)]
struct Spin {
    until: Option<Instant>,
    /// Something was read since the thread looked last.
    busy: bool,
    waker: Option<Waker>,
    odds: Odds,
}

thread_local! {
    static SPIN: RefCell<Spin> = RefCell::default();
}

/// Something was read: stay awake for a while, if [`run`] runs on this thread and the odds are good.
pub(super) fn extend() {
    SPIN.with_borrow_mut(|spin| {
        let Some(waker) = &spin.waker else { return };
        if spin.until.is_some() {
            spin.odds.hit();
        } else if spin.odds.try_now() {
            waker.wake_by_ref();
        } else {
            return;
        }
        spin.until = Some(Instant::now() + WINDOW);
        spin.busy = true;
    });
}

/// The task that keeps its thread awake. Pointless where there is a single core.
pub async fn run() {
    if thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        poll_fn(look).await
    }
}

fn look(cx: &mut Context<'_>) -> Poll<()> {
    let awake = SPIN.with_borrow_mut(|spin| {
        if spin.waker.is_none() {
            spin.waker = Some(cx.waker().clone());
        }
        let until = spin.until?;
        if Instant::now() >= until {
            spin.until = None;
            spin.odds.miss();
        }
        spin.until.map(|_| mem::take(&mut spin.busy))
    });
    if let Some(busy) = awake {
        if !busy {
            thread::yield_now();
        }
        come_back(cx);
    }
    Poll::Pending
}

/// Has the task polled again once all others that are ready have been, and those that have become so meanwhile. A waker
/// alone does not: the runtime looks for events only after many tasks, or when none is ready.
pub(super) fn come_back(cx: &mut Context<'_>) {
    let _ = pin!(yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until the next window, where none of them is worth it.
    fn skipped(odds: &mut Odds) -> u32 {
        odds.miss();
        let mut skipped = 0;
        while !odds.try_now() {
            skipped += 1;
        }
        skipped
    }

    #[test]
    fn looks_ever_more_rarely_where_it_is_in_vain() {
        let mut odds = Odds::default();
        assert!(odds.try_now());
        let rests: Vec<u32> = (0..10).map(|_| skipped(&mut odds)).collect();
        assert_eq!(rests, [0, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
    }

    #[test]
    fn looks_each_time_again_once_it_was_worth_it() {
        let mut odds = Odds::default();
        for _ in 0..5 {
            skipped(&mut odds);
        }
        odds.hit();
        assert_eq!(skipped(&mut odds), 0);
    }
}
