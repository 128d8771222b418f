//! Keeps the IO thread awake for a moment after it has read, where more is likely to come at once.
//!
//! Waking a thread on a core that sleeps costs more than everything that is done with a small message, on virtual
//! machines tens of microseconds. So the thread looks again for a while before it waits, and gives way to every other
//! thread each time. But a window in which nothing comes burns as much as waking several times, so it has to be earned
//! by what came after a look that found nothing. What several sockets read at once earns nothing: the thread was awake.

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
/// Reads that a window in vain costs: waking so many times burns as much.
const PRICE: u32 = 4;
/// What can be saved up, in reads.
const MOST: u32 = 64;
/// Without credit one read in so many gets a window nevertheless, to find out whether things have changed.
const PROBE: u32 = 128;

/// Whether it pays to look again, from how often it did.
#[derive(Debug, Default)]
struct Odds {
    credit: u32,
    /// Reads without a window since the last one that had one.
    passed: u32,
    /// The thread has found nothing since the last read, and would have waited.
    idle: bool,
}

impl Odds {
    /// Whether to look after this read.
    fn try_now(&mut self) -> bool {
        self.passed += 1;
        let now = self.credit > 0 || self.passed >= PROBE;
        if now {
            self.passed = 0;
        }
        now
    }

    /// A look found nothing.
    fn empty(&mut self) {
        self.idle = true;
    }

    /// Something was read within a window.
    fn hit(&mut self) {
        if mem::take(&mut self.idle) {
            self.credit = (self.credit + 1).min(MOST);
        }
    }

    /// A window has passed without a read.
    fn miss(&mut self) {
        self.idle = false;
        self.credit = self.credit.saturating_sub(PRICE);
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
pub fn extend() {
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
        let busy = mem::take(&mut spin.busy);
        if Instant::now() >= until {
            spin.until = None;
            spin.odds.miss();
            return None;
        }
        if !busy {
            spin.odds.empty();
        }
        Some(busy)
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
pub fn come_back(cx: &mut Context<'_>) {
    let _ = pin!(yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many reads in a row get a window, all of which are in vain.
    fn windows(odds: &mut Odds, reads: u32) -> u32 {
        let mut windows = 0;
        for _ in 0..reads {
            if odds.try_now() {
                odds.miss();
                windows += 1;
            }
        }
        windows
    }

    /// Windows in a row that hit.
    fn earn(odds: &mut Odds, hits: u32) {
        for _ in 0..hits {
            odds.empty();
            odds.hit();
        }
    }

    #[test]
    fn looks_rarely_where_it_is_in_vain() {
        let mut odds = Odds::default();
        assert_eq!(windows(&mut odds, PROBE - 1), 0);
        assert!(odds.try_now());
        odds.miss();
        assert_eq!(windows(&mut odds, 10 * PROBE), 10);
    }

    #[test]
    fn looks_each_time_where_it_was_worth_it() {
        let mut odds = Odds::default();
        earn(&mut odds, 1);
        assert!(odds.try_now());
        assert!(odds.try_now());
    }

    #[test]
    fn a_window_in_vain_costs_several_that_were_not() {
        let mut odds = Odds::default();
        earn(&mut odds, 2 * PRICE + 1);
        assert_eq!(windows(&mut odds, PROBE), 3);
    }

    #[test]
    fn what_is_read_at_once_earns_nothing() {
        let mut odds = Odds::default();
        for _ in 0..10 {
            odds.hit();
        }
        assert!(!odds.try_now());
        // The first of several had been waited for; the others came with it.
        odds.empty();
        for _ in 0..10 {
            odds.hit();
        }
        assert_eq!(windows(&mut odds, PRICE), 1);
    }

    #[test]
    fn an_empty_look_counts_for_its_own_window_only() {
        let mut odds = Odds::default();
        odds.empty();
        odds.miss();
        odds.hit();
        assert!(!odds.try_now());
    }

    #[test]
    fn credit_runs_out_soon_after_the_best_of_times() {
        let mut odds = Odds::default();
        earn(&mut odds, 1_000_000);
        assert_eq!(windows(&mut odds, PROBE), MOST / PRICE);
    }
}
