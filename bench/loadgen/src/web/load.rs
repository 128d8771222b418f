//! One measurement of HTTP: `{ peer or port, via, method, target, up, large, inFlight, seconds, warmup, times, pid }`.
//!
//! `via` is `control`, `rendezvous` or `plain` (to `port`). `times` ends it after so many exchanges, without a warm-up.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::Relay;
use super::exchange::{Sender, Wanted, Way};
use crate::Failure;
use crate::meter::Meter;
use crate::run::Clock;

/// How long what is under way may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

struct Tally {
    clock: Clock,
    meter: RefCell<Meter>,
    done: Cell<u64>,
    /// Exchanges that may still begin.
    left: Cell<u64>,
}

pub async fn run(relay: &Rc<Relay>, command: &Value) -> Result<Value, Failure> {
    let number = |name: &str, default: f64| command[name].as_f64().unwrap_or(default);
    let wanted = Wanted {
        method: if command["method"] == "POST" { "POST" } else { "GET" },
        target: command["target"].as_str().unwrap_or("/").to_owned(),
        up: number("up", 0.0) as u64,
        large: command["large"].as_bool().unwrap_or_default(),
    };
    let via = command["via"].as_str().unwrap_or_default();
    let peer = command["peer"].as_str().unwrap_or_default();
    let moved = Rc::new(Cell::new(0));
    let times = command["times"].as_u64();
    let tally = Rc::new(Tally {
        clock: Clock::new(),
        meter: RefCell::new(Meter::new(command["pid"].as_u64().map(|pid| pid as u32))?),
        done: Cell::new(0),
        left: Cell::new(times.unwrap_or(u64::MAX)),
    });
    if times.is_some() {
        tally.meter.borrow_mut().start(tally.clock.now());
    }
    let mut senders = JoinSet::new();
    for _ in 0..number("inFlight", 1.0) as usize {
        let way = match via {
            "plain" => Way::Plain(SocketAddr::from(([127, 0, 0, 1], number("port", 0.0) as u16)), None),
            "rendezvous" => Way::Rendezvous(relay.channel(peer).await, None),
            _ => Way::Control(relay.channel(peer).await),
        };
        let moved = Rc::clone(&moved);
        let (wanted, entity) = (wanted.clone(), peer.to_owned());
        let sender = Sender { way, wanted, entity, relay: relay.address, moved };
        senders.spawn_local(send(sender, Rc::clone(&tally)));
    }
    if times.is_none() {
        still(&mut senders, number("warmup", 0.3)).await?;
        moved.set(0);
        tally.done.set(0);
        tally.meter.borrow_mut().start(tally.clock.now());
        still(&mut senders, number("seconds", 1.0)).await?;
        let result = tally.figures(moved.get());
        tally.left.set(0);
        tokio::time::timeout(PATIENCE, all(&mut senders)).await??;
        return Ok(result);
    }
    all(&mut senders).await?;
    Ok(tally.figures(moved.get()))
}

impl Tally {
    fn figures(&self, moved: u64) -> Value {
        self.meter.borrow().figures(self.clock.now(), self.done.get(), moved)
    }
}

async fn send(mut sender: Sender, tally: Rc<Tally>) -> std::io::Result<()> {
    while tally.left.get() > 0 {
        tally.left.set(tally.left.get() - 1);
        let from = tally.clock.now();
        sender.exchange().await?;
        tally.done.set(tally.done.get() + 1);
        tally.meter.borrow_mut().latency.saturating_record(tally.clock.now() - from);
    }
    Ok(())
}

/// Lets the senders work for so long; none may end.
async fn still(senders: &mut JoinSet<std::io::Result<()>>, seconds: f64) -> Result<(), Failure> {
    match tokio::time::timeout(Duration::from_secs_f64(seconds), senders.join_next()).await {
        Err(_) => Ok(()),
        Ok(Some(ended)) => Err(ended?.err().map_or("a sender ended".into(), Into::into)),
        Ok(None) => Err("no senders".into()),
    }
}

async fn all(senders: &mut JoinSet<std::io::Result<()>>) -> Result<(), Failure> {
    while let Some(ended) = senders.join_next().await {
        ended??;
    }
    Ok(())
}
