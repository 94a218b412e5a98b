//! When an answer may leave: its delay, and the queue in front of a limited capacity.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::spec::Delay;

const NS_PER_US: f64 = 1e3;
const NS_PER_S: f64 = 1e9;

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

    fn draw_ns(&mut self, delay: Delay) -> u64 {
        let us = match delay {
            Delay::None => return 0,
            Delay::Fixed { mean_us } => mean_us,
            Delay::Uniform { low_us, high_us } => low_us + self.unit() * (high_us - low_us),
            Delay::Exponential { mean_us } => -(1.0 - self.unit()).ln() * mean_us,
        };
        (us * NS_PER_US) as u64
    }

    /// A uniform double in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
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
}
