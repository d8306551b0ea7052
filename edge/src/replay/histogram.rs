//! Latencies in bounded memory.

use std::time::Duration;

/// Counts durations in buckets that are at most 1/64 of their value wide; the maximum is exact.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration, to the microsecond.
    pub fn record(&mut self, duration: Duration) {
        let value = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket_of(value)) {
            *bucket = bucket.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.max_us = self.max_us.max(value);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest, exactly.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }

    /// The duration that `percent` of a hundred do not exceed (nearest rank), rounded up to its bucket's end.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Duration {
        let rank = self.count.saturating_mul(percent).div_ceil(100).max(1);
        let mut seen: u64 = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Duration::from_micros(end_of(index).min(self.max_us));
            }
        }
        self.max()
    }
}

/// Values below 128 have a bucket each; above, each power of two has 64.
fn bucket_of(value: u64) -> usize {
    let exponent = 63_u32.saturating_sub(value.max(1).leading_zeros());
    let shift = exponent.saturating_sub(FRACTION_BITS);
    let index = u64::from(shift)
        .saturating_mul(FRACTIONS)
        .saturating_add(value >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn end_of(index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    let shift = (index / FRACTIONS).saturating_sub(1);
    let first = index.saturating_sub(shift.saturating_mul(FRACTIONS));
    let shift = u32::try_from(shift).unwrap_or(u32::MAX);
    first
        .saturating_add(1)
        .checked_shl(shift)
        .unwrap_or(u64::MAX)
        .saturating_sub(1)
}

const FRACTION_BITS: u32 = 6;
const FRACTIONS: u64 = 1 << FRACTION_BITS;
const BUCKETS: usize = 60 * 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value lies in a bucket whose end is at most 1/64 above it.
    #[test]
    fn buckets_are_narrow() {
        for exponent in 0..60 {
            for offset in [0_u64, 1, 3, 1_000] {
                let value = (1_u64 << exponent) + offset;
                let end = end_of(bucket_of(value));
                assert!(
                    end >= value && end - value <= value / 64,
                    "{value} ends at {end}"
                );
            }
        }
    }

    /// Percentiles are nearest ranks.
    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut histogram = Histogram::default();
        for milliseconds in 1..=100 {
            histogram.record(Duration::from_millis(milliseconds));
        }

        let p50 = histogram.percentile(50).as_micros();
        assert!((50_000..=50_800).contains(&p50), "{p50}");
        let p99 = histogram.percentile(99).as_micros();
        assert!((99_000..=100_000).contains(&p99), "{p99}");
        assert_eq!(histogram.percentile(100), Duration::from_millis(100));
        assert_eq!(Histogram::default().percentile(99), Duration::ZERO);
    }
}
