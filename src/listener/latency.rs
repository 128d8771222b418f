//! How long something takes, in fixed buckets.

use std::time::Duration;

use serde::Serialize;

/// Upper bounds of the buckets in milliseconds, each inclusive; one more bucket takes what lies above.
const BOUNDS: [f64; 14] =
    [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0];

/// Durations in milliseconds, in the form of OpenTelemetry's explicit-bucket histogram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyHistogram {
    /// How many there are.
    pub count: u64,
    /// All together.
    pub sum: f64,
    /// The longest one.
    pub max: f64,
    /// Upper bounds of the buckets, inclusive.
    pub bounds: [f64; BOUNDS.len()],
    /// `counts[i]` is what lay above `bounds[i - 1]` and not above `bounds[i]`; the last one is what lay above all.
    pub counts: [u64; BOUNDS.len() + 1],
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, max: 0.0, bounds: BOUNDS, counts: [0; BOUNDS.len() + 1] }
    }
}

impl LatencyHistogram {
    pub(super) fn record(&mut self, duration: Duration) {
        let milliseconds = duration.as_secs_f64() * 1000.0;
        let bucket = BOUNDS.iter().position(|bound| milliseconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket] += 1;
        self.count += 1;
        self.sum += milliseconds;
        self.max = self.max.max(milliseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_a_last_bucket_takes_all_above() {
        let mut latency = LatencyHistogram::default();
        for microseconds in [0, 1_000, 1_010, 20_000_000, 20_001_000, 1_000_000_000_000] {
            latency.record(Duration::from_micros(microseconds));
        }
        let LatencyHistogram { count, sum, max, bounds, counts } = latency;
        assert_eq!((count, max), (6, 1e9));
        assert!((sum - (1.0 + 1.01 + 20_000.0 + 20_001.0 + 1e9)).abs() < 1e-3);
        assert_eq!((counts[0], counts[1], counts[13], counts[14]), (2, 1, 1, 2));
        assert_eq!(counts.iter().sum::<u64>(), count);
        assert!(bounds.is_sorted());
    }
}
