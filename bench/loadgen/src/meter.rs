//! What one measurement says of time and CPU, whatever it counts.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::proc_stat::{self, Cpu};

/// An hour in ns: what took longer counts as that.
const LONGEST: u64 = 3_600_000_000_000;

pub struct Meter {
    /// In ns, to two digits.
    pub latency: Histogram<u64>,
    /// The peer's process.
    pid: Option<u32>,
    from: u64,
    cpu: Option<Cpu>,
    own_cpu: Option<Cpu>,
}

impl Meter {
    pub fn new(pid: Option<u32>) -> Result<Self, String> {
        let latency = Histogram::new_with_bounds(1, LONGEST, 2).map_err(|error| error.to_string())?;
        Ok(Self { latency, pid, from: 0, cpu: None, own_cpu: None })
    }

    /// The measured part begins.
    pub fn start(&mut self, now: u64) {
        self.from = now;
        self.latency.reset();
        self.cpu = self.pid.and_then(proc_stat::cpu);
        self.own_cpu = proc_stat::cpu(std::process::id());
    }

    /// The figures of the time until now, in which `count` things were done and `bytes` moved.
    pub fn figures(&self, now: u64, count: u64, bytes: u64) -> Value {
        let seconds = (now - self.from) as f64 / 1e9;
        let micros = |ns: u64| ns as f64 / 1e3;
        let mut result = json!({
            "messages": count,
            "seconds": seconds,
            "rate": count as f64 / seconds,
            "mebibytes": bytes as f64 / seconds / 1048576.0,
        });
        if !self.latency.is_empty() {
            result["p50"] = micros(self.latency.value_at_quantile(0.5)).into();
            result["p90"] = micros(self.latency.value_at_quantile(0.9)).into();
            result["p99"] = micros(self.latency.value_at_quantile(0.99)).into();
            result["max"] = micros(self.latency.max()).into();
            result["mean"] = (self.latency.mean() / 1e3).into();
        }
        let per = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e3 / count.max(1) as f64;
        if let (Some(from), Some(to)) = (self.cpu, self.pid.and_then(proc_stat::cpu)) {
            result["cpuMain"] = per(from.main, to.main).into();
            result["cpuProcess"] = per(from.process, to.process).into();
            result["processBusy"] = (to.process.saturating_sub(from.process) as f64 / 1e9 / seconds).into();
            result["mainBusy"] = (to.main.saturating_sub(from.main) as f64 / 1e9 / seconds).into();
        }
        if let (Some(from), Some(to)) = (self.own_cpu, proc_stat::cpu(std::process::id())) {
            result["loadgenBusy"] = (to.main.saturating_sub(from.main) as f64 / 1e9 / seconds).into();
        }
        result
    }
}
