//! A histogram of nanoseconds with a relative error below 1.6 %.

/// Buckets per power of two.
const PART_BITS: u32 = 6;
const PARTS: usize = 1 << PART_BITS;

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    max: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; PARTS * 60], total: 0, sum: 0, max: 0 }
    }

    pub fn record(&mut self, value: u64, times: u64) {
        if let Some(count) = self.counts.get_mut(index(value)) {
            *count += times;
        }
        self.total += times;
        self.sum += u128::from(value) * u128::from(times);
        self.max = self.max.max(value);
    }

    /// The value below which `part` (0 to 1) of the recorded ones lie.
    pub fn quantile(&self, part: f64) -> u64 {
        let rank = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return value_of(at).min(self.max);
            }
        }
        self.max
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    pub fn max(&self) -> u64 {
        self.max
    }
}

fn index(value: u64) -> usize {
    if value < PARTS as u64 {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - PART_BITS;
    (shift as usize + 1) * PARTS + ((value >> shift) as usize - PARTS)
}

/// The middle of a bucket.
fn value_of(index: usize) -> u64 {
    if index < PARTS {
        return index as u64;
    }
    let shift = index / PARTS - 1;
    let low = ((index % PARTS + PARTS) as u64) << shift;
    low + (1u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::new();
        for value in 1..=100_000u64 {
            histogram.record(value, 1);
        }
        for (part, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let got = histogram.quantile(part) as f64;
            assert!((got / exact - 1.0).abs() < 0.016, "{part}: {got}");
        }
        assert_eq!(histogram.total(), 100_000);
    }

    #[test]
    fn buckets_meet() {
        for value in [0, 1, 63, 64, 65, 127, 128, 1 << 20, (1 << 40) + 12345] {
            let middle = value_of(index(value)) as f64;
            assert!((middle - value as f64).abs() <= value as f64 * 0.016, "{value}: {middle}");
        }
    }
}
