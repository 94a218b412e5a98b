//! When an answer may leave: its delay, and the queue in front of a limited capacity.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::spec::Delay;

const NS_PER_US: f64 = 1e3;
const NS_PER_S: f64 = 1e9;
/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// Gives each request the moment of its answer.
pub(crate) struct Pace {
    random: Xoshiro256PlusPlus,
    service_ns: Option<u64>,
    busy_until_ns: u64,
}

impl Pace {
    pub(crate) fn new(capacity_per_s: Option<f64>, seed: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            service_ns: capacity_per_s.map(|capacity| (NS_PER_S / capacity) as u64),
            busy_until_ns: 0,
        }
    }

    /// When the answer to a request that came at `now_ns` may leave.
    pub(crate) fn answer_at_ns(&mut self, delay: Delay, now_ns: u64) -> u64 {
        let mut at_ns = now_ns + self.draw_ns(delay);
        if let Some(service_ns) = self.service_ns {
            // One server, first come first served: the queue is never idle while something waits in it.
            self.busy_until_ns = self.busy_until_ns.max(now_ns) + service_ns;
            at_ns = at_ns.max(self.busy_until_ns);
        }
        at_ns
    }

    /// Whether answers with such a delay leave at once, whatever the time.
    #[inline]
    pub(crate) fn is_at_once(&self, delay: Delay) -> bool {
        self.service_ns.is_none() && delay == Delay::None
    }

    fn draw_ns(&mut self, delay: Delay) -> u64 {
        let us = match delay {
            Delay::None => return 0,
            Delay::Fixed { mean_us } => mean_us,
            Delay::Uniform { low_us, high_us } => low_us + unit(&mut self.random) * (high_us - low_us),
            Delay::Exponential { mean_us } => -(1.0 - unit(&mut self.random)).ln() * mean_us,
            Delay::Lognormal { p50_us, p99_us } => {
                p50_us * ((p99_us / p50_us).ln() / NORMAL_P99 * self.normal()).exp()
            }
        };
        (us * NS_PER_US) as u64
    }

    /// A standard normal double (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - unit(&mut self.random)).ln()).sqrt();
        radius * (std::f64::consts::TAU * unit(&mut self.random)).cos()
    }
}

/// A uniform double in [0, 1).
pub(crate) fn unit(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_capacity_is_a_queue() {
        let mut pace = Pace::new(Some(1_000.0), 0);
        let answers: Vec<u64> = (0..3).map(|_| pace.answer_at_ns(Delay::None, 0)).collect();
        assert_eq!(answers, [1_000_000, 2_000_000, 3_000_000]);
        assert_eq!(pace.answer_at_ns(Delay::None, 10_000_000), 11_000_000);
    }

    #[test]
    fn delays_have_the_mean_that_was_asked_for() {
        let mut pace = Pace::new(None, 7);
        for (delay, mean_ns) in [
            (Delay::Fixed { mean_us: 50.0 }, 50_000.0),
            (Delay::Uniform { low_us: 10.0, high_us: 30.0 }, 20_000.0),
            (Delay::Exponential { mean_us: 40.0 }, 40_000.0),
        ] {
            let total: u64 = (0..100_000).map(|_| pace.answer_at_ns(delay, 0)).sum();
            let mean = total as f64 / 100_000.0;
            assert!((mean / mean_ns - 1.0).abs() < 0.02, "{delay:?}: {mean}");
        }
    }

    /// The 10th, 50th and 99th percentile of 100,000 draws, in microseconds.
    fn quantiles_us(delay: Delay) -> [f64; 3] {
        let mut pace = Pace::new(None, 7);
        let mut drawn_ns: Vec<u64> = (0..100_000).map(|_| pace.answer_at_ns(delay, 0)).collect();
        drawn_ns.sort_unstable();
        [10_000, 50_000, 99_000].map(|rank: usize| drawn_ns[rank] as f64 / NS_PER_US)
    }

    #[test]
    fn delays_have_the_shape_that_was_asked_for() {
        for (delay, expected_us) in [
            (Delay::Fixed { mean_us: 50.0 }, [50.0, 50.0, 50.0]),
            (Delay::Uniform { low_us: 10.0, high_us: 30.0 }, [12.0, 20.0, 29.8]),
            // -ln(1 - q) of the mean.
            (Delay::Exponential { mean_us: 40.0 }, [4.21, 27.73, 184.2]),
            // The 10th percentile lies 1.2816 / 2.3263 as far below the median, in logarithms, as the 99th above.
            (Delay::Lognormal { p50_us: 100.0, p99_us: 1_000.0 }, [28.13, 100.0, 1_000.0]),
        ] {
            for (drawn_us, expected_us) in quantiles_us(delay).into_iter().zip(expected_us) {
                assert!(
                    (drawn_us / expected_us - 1.0).abs() < 0.04,
                    "{delay:?}: {drawn_us}, not {expected_us}"
                );
            }
        }
    }

    #[test]
    fn a_lognormal_delay_has_its_mean() {
        let mut pace = Pace::new(None, 11);
        let delay = Delay::Lognormal { p50_us: 100.0, p99_us: 300.0 };
        let total: u64 = (0..100_000).map(|_| pace.answer_at_ns(delay, 0)).sum();
        // exp(mu + sigma^2 / 2), with sigma = ln 3 / 2.3263.
        let expected_ns = 100_000.0 * f64::exp((f64::ln(3.0) / NORMAL_P99).powi(2) / 2.0);
        assert!((total as f64 / 100_000.0 / expected_ns - 1.0).abs() < 0.02);
    }
}
