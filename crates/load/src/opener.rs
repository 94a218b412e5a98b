//! How fast connections may be opened.

const NS_PER_S: f64 = 1e9;
/// After a failure the opener rests this long, doubled with each further failure.
const FIRST_REST_NS: u64 = 10_000_000;
/// The longest rest.
const LONGEST_REST_NS: u64 = 1_000_000_000;
/// What a late wake-up may catch up at once: more would be the burst that a connect rate is there to avoid.
const CATCH_UP_NS: u64 = 20_000_000;

/// Paces connection attempts evenly, and rests after failures.
#[derive(Debug)]
pub(crate) struct Opener {
    gap_ns: u64,
    next_ns: u64,
    failures: u32,
}

impl Opener {
    pub(crate) fn new(rate_per_s: f64, now_ns: u64) -> Self {
        Self { gap_ns: ((NS_PER_S / rate_per_s) as u64).max(1), next_ns: now_ns, failures: 0 }
    }

    /// When the next attempt is allowed.
    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Takes the permission for one attempt, if it is time.
    pub(crate) fn take(&mut self, now_ns: u64) -> bool {
        if now_ns < self.next_ns {
            return false;
        }
        self.next_ns = self.next_ns.max(now_ns.saturating_sub(CATCH_UP_NS)) + self.gap_ns;
        true
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn failed(&mut self, now_ns: u64) {
        self.next_ns = self.next_ns.max(now_ns + rest_ns(self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

/// The rest after this many earlier failures in a row.
pub(crate) fn rest_ns(failures: u32) -> u64 {
    (FIRST_REST_NS << failures.min(10)).min(LONGEST_REST_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(opener: &mut Opener, until_ns: u64, step_ns: usize) -> usize {
        (0..until_ns)
            .step_by(step_ns)
            .map(|now| std::iter::repeat_with(|| opener.take(now)).take_while(|&go| go).count())
            .sum()
    }

    #[test]
    fn keeps_the_rate_through_coarse_wake_ups() {
        let mut opener = Opener::new(2_000.0, 0);
        let opened = attempts(&mut opener, 1_000_000_000, 3_000_000);
        assert!((1_980..=2_001).contains(&opened), "{opened}");
    }

    #[test]
    fn a_long_sleep_is_not_caught_up_in_a_burst() {
        let mut opener = Opener::new(1_000.0, 0);
        let burst = std::iter::repeat_with(|| opener.take(5_000_000_000)).take_while(|&go| go).count();
        assert!(burst <= 22, "{burst}");
    }

    #[test]
    fn rests_longer_and_longer_and_not_for_ever() {
        assert_eq!([0, 1, 2, 30].map(rest_ns), [10_000_000, 20_000_000, 40_000_000, 1_000_000_000]);
    }
}
