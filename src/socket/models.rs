//! Models of what the IO thread and JavaScript's do at the same time: loom runs each with every order of their steps. They
//! run the engine's own queue and credit, not a copy of them; see CONTRIBUTING.md for how to start them.

use std::sync::Arc;

use loom::sync::Notify;
use loom::thread;

use super::credit::Credit;
use super::delivery::{Batch, Delivery, DrainEnd, Kind, Owner, RECORD_WORDS};

/// How often a thread is interrupted in one run: faults of this kind need one or two, and each more takes far longer.
const PREEMPTIONS: usize = 2;

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(run);
}

/// A queue, and what it wakes JavaScript with.
fn queue(limit: usize) -> (Arc<Delivery>, Arc<Notify>) {
    let bell = Arc::new(Notify::new());
    let rung = Arc::clone(&bell);
    (Arc::new(Delivery::new(limit, move || rung.notify())), bell)
}

/// Drains, whenever it is woken, until so many records have come; `rows` at a time.
fn javascript(delivery: &Delivery, bell: &Notify, records: usize, rows: usize) {
    let mut seen = 0;
    while seen < records {
        bell.wait();
        loop {
            let drained = delivery.drain(&mut vec![0; rows * RECORD_WORDS], &mut [0; 16]);
            seen += drained.count;
            if drained.ended == DrainEnd::Empty {
                break;
            }
        }
    }
    assert_eq!(seen, records);
}

/// A socket, as far as its credit goes.
struct CreditHolder {
    credit: Credit,
    task: Notify,
}

impl Owner for CreditHolder {
    fn drained(&self, bytes: usize) {
        if self.credit.drained(bytes) {
            self.task.notify();
        }
    }

    fn room(&self) {
        self.credit.room();
        self.task.notify();
    }
}

impl CreditHolder {
    fn new(high_water: usize) -> Arc<Self> {
        Arc::new(Self { credit: Credit::new(high_water), task: Notify::new() })
    }

    /// Reads and delivers so many times, as soon as it may.
    fn read(self: &Arc<Self>, delivery: &Delivery, times: usize) {
        for _ in 0..times {
            while !self.credit.may_read(delivery, &|| Arc::clone(self) as Arc<dyn Owner>) {
                self.task.wait();
            }
            let mut batch = Batch::default();
            batch.push(0, Kind::Binary, 0, b"x");
            self.credit.deliver(batch.weight());
            delivery.push(&mut batch, Some(Arc::clone(self) as Arc<dyn Owner>));
        }
    }
}

/// Lets readers of that high-water mark read while JavaScript drains a queue of that limit.
fn flow(limit: usize, high_water: usize, readers: usize, times: usize) {
    let (delivery, bell) = queue(limit);
    let readers: Vec<_> = (0..readers).map(|_| CreditHolder::new(high_water)).collect();
    let threads: Vec<_> = readers
        .iter()
        .map(|reader| {
            let (reader, delivery) = (Arc::clone(reader), Arc::clone(&delivery));
            thread::spawn(move || reader.read(&delivery, times))
        })
        .collect();
    javascript(&delivery, &bell, readers.len() * times, 4);
    for thread in threads {
        thread.join().expect("the reader has ended");
    }
    for reader in &readers {
        assert_eq!(reader.credit.inbound(), 0);
    }
    assert!(!delivery.is_full(&|| unreachable!("all has been taken off")));
}

#[test]
fn what_is_pushed_while_javascript_drains_wakes_it() {
    model(|| {
        let (delivery, bell) = queue(usize::MAX);
        let pushing = [0, 1].map(|slot| {
            let delivery = Arc::clone(&delivery);
            thread::spawn(move || delivery.push_one(|batch| batch.push(slot, Kind::Text, 0, b"")))
        });
        // One row: a full table is no reason to wait for another wake-up.
        javascript(&delivery, &bell, 2, 1);
        for thread in pushing {
            thread.join().expect("it was pushed");
        }
    });
}

#[test]
fn a_starved_socket_reads_on() {
    model(|| flow(usize::MAX, 1, 1, 3));
}

#[test]
fn a_socket_reads_on_that_is_starved_for_more_than_one_delivery() {
    // Each delivery weighs the same; what one of them gives back is not enough.
    let mut batch = Batch::default();
    batch.push(0, Kind::Binary, 0, b"x");
    let high_water = 2 * batch.weight() - 1;
    model(move || flow(usize::MAX, high_water, 1, 4));
}

#[test]
fn a_crowded_socket_reads_on() {
    model(|| flow(1, usize::MAX, 1, 3));
}

#[test]
fn crowded_sockets_all_read_on() {
    model(|| flow(1, usize::MAX, 2, 1));
}

#[test]
fn a_socket_that_is_starved_and_crowded_reads_on() {
    model(|| flow(1, 1, 1, 3));
}

#[test]
fn what_waits_for_peers_is_never_below_zero() {
    model(|| {
        let (delivery, _) = queue(usize::MAX);
        let sockets = [3, 5].map(|bytes| {
            let delivery = Arc::clone(&delivery);
            thread::spawn(move || {
                assert!((bytes..=8).contains(&delivery.book(0, bytes)));
                assert!((1..=6).contains(&delivery.book(bytes, 1)));
                assert!(delivery.book(1, 0) <= 5);
            })
        });
        for socket in sockets {
            socket.join().expect("it was booked");
        }
        assert_eq!(delivery.book(0, 0), 0);
    });
}
