//! Latency histograms: 3 significant digits from 1 us to 1 h, in whole microseconds.
//!
//! The V2 encoding is the one of `HdrHistogram` (Tene), so any of its tools reads what we write.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::Deserializer;

use crate::encoder;

/// One hour: above it the value is recorded as one hour, never dropped.
pub(crate) const MAX_US: u64 = 3_600_000_000;
/// A recorded value is within 0.1 % of the true one.
const SIGNIFICANT_DIGITS: u8 = 3;
const NS_PER_US: u64 = 1_000;

/// A histogram of durations in microseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    hdr: Hdr<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram; about 190 KiB, allocated here and never again.
    pub fn new() -> Self {
        let hdr = Hdr::new_with_bounds(1, MAX_US, SIGNIFICANT_DIGITS).expect("the bounds are constants");
        Self { hdr }
    }

    /// Records a duration in nanoseconds, rounded to the nearest microsecond.
    #[inline]
    pub fn record_ns(&mut self, ns: u64) {
        self.record_us((ns + NS_PER_US / 2) / NS_PER_US, 1);
    }

    /// Records a value `count` times. Values beyond [`MAX_US`] count as [`MAX_US`].
    #[inline]
    pub fn record_us(&mut self, us: u64, count: u64) {
        self.hdr.saturating_record_n(us.min(MAX_US), count);
    }

    /// Adds every sample of `other`: the merge is exact, bucket by bucket.
    pub fn add(&mut self, other: &Self) {
        self.hdr.add(&other.hdr).expect("both histograms have the same bounds");
    }

    /// Adds every sample of `other`, which forgets them.
    pub fn absorb(&mut self, other: &mut Self) {
        if !other.hdr.is_empty() {
            self.add(other);
            other.clear();
        }
    }

    /// Forgets every sample and keeps the memory.
    pub fn clear(&mut self) {
        self.hdr.reset();
    }

    /// How many samples were recorded.
    pub fn count(&self) -> u64 {
        self.hdr.len()
    }

    /// The smallest recorded value, or 0 when empty.
    pub fn min_us(&self) -> u64 {
        if self.hdr.is_empty() { 0 } else { self.hdr.min() }
    }

    /// The largest recorded value, or 0 when empty.
    pub fn max_us(&self) -> u64 {
        if self.hdr.is_empty() { 0 } else { self.hdr.max() }
    }

    /// The arithmetic mean of the recorded values.
    pub fn mean_us(&self) -> f64 {
        self.hdr.mean()
    }

    /// The standard deviation of the recorded values.
    pub fn stdev_us(&self) -> f64 {
        self.hdr.stdev()
    }

    /// The smallest value that at least the fraction `quantile` of the samples do not exceed.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        if self.hdr.is_empty() { 0 } else { self.hdr.value_at_quantile(quantile).min(self.hdr.max()) }
    }

    /// Every occupied bucket as (highest value in it, samples in it), in ascending order.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        self.hdr
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
            .collect()
    }

    /// The V2 encoding, deflated, in base64: what a `.hlog` line holds.
    pub fn encode(&self) -> String {
        encoder::encode(&self.hdr)
    }

    /// The encoding of what was recorded since the last call, "" for nothing; then forgets it.
    pub fn take_encoded(&mut self) -> String {
        if self.hdr.is_empty() {
            return String::new();
        }
        let encoded = self.encode();
        self.clear();
        encoded
    }

    /// Reads the encoding back, "" being nothing; the text says what was wrong with it.
    pub fn decode(encoded: &str) -> Result<Self, String> {
        if encoded.is_empty() {
            return Ok(Self::new());
        }
        let bytes = STANDARD.decode(encoded).map_err(|error| format!("not base64: {error}"))?;
        let decoded: Hdr<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| format!("not a V2 histogram: {error}"))?;
        let mut histogram = Self::new();
        histogram.hdr.add(&decoded).map_err(|error| format!("out of range: {error}"))?;
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_within_a_thousandth() {
        for us in [1, 999, 12_345, 1_000_000, 120_000_000, MAX_US] {
            let mut histogram = Histogram::new();
            histogram.record_us(us, 1);
            let error = histogram.max_us().abs_diff(us) as f64 / us as f64;
            assert!(error <= 0.001, "{us} was recorded as {}", histogram.max_us());
        }
    }

    #[test]
    fn nothing_is_dropped_past_an_hour() {
        let mut histogram = Histogram::new();
        histogram.record_ns(u64::MAX / 2);
        assert_eq!(histogram.count(), 1);
        assert!(histogram.max_us() >= MAX_US);
    }

    #[test]
    fn encoding_survives_a_round_trip() {
        let mut histogram = Histogram::new();
        histogram.record_us(150, 7);
        histogram.record_us(30_000, 3);
        let decoded = Histogram::decode(&histogram.encode()).expect("our own encoding");
        assert_eq!(decoded.buckets(), histogram.buckets());
        assert!(Histogram::decode("HISTnonsense").is_err());
    }
}
