//! One measurement: what is sent, what is counted, and when.

use std::ops::Range;
use std::time::Instant;

use serde_json::Value;

use crate::meter::Meter;
use crate::wire::Block;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A window of messages is kept in flight on each socket; the peer sends them back.
    Echo,
    /// The peer counts what it gets as fast as it takes it.
    Receive,
    /// The same at a fixed rate, over all sockets in turn.
    Pace,
    /// The peer sends as fast as it can.
    Send,
    /// Connections are opened, used for one message and closed.
    Churn,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The peers' sockets are being told what to do.
    Roles,
    Warm,
    /// Waits for the peer's counts of the warm-up.
    WarmEnd,
    Measure,
    /// Waits for what is still under way.
    End,
}

pub struct Run {
    pub id: Value,
    pub peer: usize,
    pub kind: Kind,
    pub phase: Phase,
    pub block: Block,
    pub size: usize,
    pub window: u64,
    pub gap: u64,
    pub rate: f64,
    pub text: bool,
    pub burst: u64,
    pub concurrency: u64,
    pub flood: bool,
    pub direct: bool,
    pub deflate: bool,
    warmup: u64,
    length: u64,
    /// When the phase ends, in ns since the start of the program.
    pub until: u64,
    phase_from: u64,
    pub missing: usize,
    /// What the peer says to have received or sent, in this phase.
    pub told: u64,
    /// Messages that came in over the whole run, whatever the phase, and their bytes.
    pub all: u64,
    pub all_bytes: u64,
    /// The same in the measured part only.
    pub messages: u64,
    pub bytes: u64,
    pub paced: u64,
    pub meter: Meter,
    pub under_way: u64,
    result: Value,
}

fn number(command: &Value, name: &str) -> Option<f64> {
    command.get(name).and_then(Value::as_f64)
}

impl Run {
    pub fn new(command: &Value, peer: usize) -> Result<Self, String> {
        let kind = match command.get("kind").and_then(Value::as_str) {
            Some("echo") => Kind::Echo,
            Some("receive") => Kind::Receive,
            Some("pace") => Kind::Pace,
            Some("send") => Kind::Send,
            Some("churn") => Kind::Churn,
            other => return Err(format!("unknown kind of run: {other:?}")),
        };
        let flag = |name: &str| command.get(name).and_then(Value::as_bool).unwrap_or(false);
        let size = number(command, "size").unwrap_or(32.0) as usize;
        let text = flag("text");
        let seconds = |name: &str, default: f64| (number(command, name).unwrap_or(default) * 1e9) as u64;
        Ok(Self {
            id: command.get("id").cloned().unwrap_or_default(),
            peer,
            kind,
            phase: Phase::Roles,
            block: Block::new(size, text, flag("deflate")),
            size,
            window: number(command, "window").unwrap_or(1.0) as u64,
            gap: (number(command, "gapMs").unwrap_or(0.0) * 1e6) as u64,
            rate: number(command, "rate").unwrap_or(0.0),
            text: text || flag("deflate"),
            burst: number(command, "burst").unwrap_or(128.0) as u64,
            concurrency: number(command, "concurrency").unwrap_or(1.0) as u64,
            flood: flag("flood"),
            direct: flag("direct"),
            deflate: flag("deflate"),
            warmup: seconds("warmup", 0.2),
            length: seconds("seconds", 1.0),
            until: u64::MAX,
            phase_from: 0,
            missing: 0,
            told: 0,
            all: 0,
            all_bytes: 0,
            messages: 0,
            bytes: 0,
            paced: 0,
            meter: Meter::new(number(command, "pid").map(|pid| pid as u32))?,
            under_way: 0,
            result: Value::Null,
        })
    }

    /// What the sockets are told first; `None` where they do the right thing by themselves.
    pub fn role(&self, flood: bool) -> Option<String> {
        match self.kind {
            Kind::Echo if flood => Some("receive".into()),
            Kind::Echo if self.text => Some("echo-all".into()),
            Kind::Echo | Kind::Churn => None,
            Kind::Receive | Kind::Pace => Some("receive".into()),
            Kind::Send => Some(format!("send {} {}", self.size, self.burst)),
        }
    }

    /// Whether the peer counts, and says at the end of a phase how much.
    pub fn peer_counts(&self) -> bool {
        matches!(self.kind, Kind::Receive | Kind::Pace)
    }

    pub fn is_sending(&self) -> bool {
        matches!(self.phase, Phase::Warm | Phase::Measure)
    }

    pub fn start_warm(&mut self, now: u64) {
        self.phase = Phase::Warm;
        self.phase_from = now;
        self.until = now + self.warmup;
    }

    pub fn start_measure(&mut self, now: u64) {
        self.phase = Phase::Measure;
        self.phase_from = now;
        self.until = now + self.length;
        self.messages = 0;
        self.bytes = 0;
        self.told = 0;
        self.paced = 0;
        self.meter.start(now);
    }

    /// The numbers of the messages that a fixed rate asks for by now.
    pub fn due(&mut self, now: u64) -> Range<u64> {
        let from = self.paced;
        self.paced = from.max((self.rate * (now - self.phase_from) as f64 / 1e9) as u64);
        from..self.paced
    }

    /// Ends the measured part: everything that has been counted belongs to the time until now.
    pub fn measured(&mut self, now: u64) {
        let messages = if self.peer_counts() { self.told } else { self.messages };
        let bytes = if self.peer_counts() { self.told * self.size as u64 } else { self.bytes };
        self.result = self.meter.figures(now, messages, bytes);
    }

    pub fn reply(self) -> Value {
        let mut reply = self.result;
        reply["id"] = self.id;
        reply
    }
}

/// Nanoseconds since the program began.
pub struct Clock(Instant);

impl Clock {
    pub fn new() -> Self {
        Self(Instant::now())
    }

    pub fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}
