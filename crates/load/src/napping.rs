//! Whether a closed loop naps before it looks for answers, so that they gather.
//!
//! A wake-up for every few answers costs more than the answers do. A nap makes one wake-up serve many. It costs nothing
//! where the server is what limits the load, whose queue it only shortens; elsewhere each nap holds requests up. Which it
//! is cannot be seen, so it is tried: slices of time with naps and without stand beside each other all along.

/// Long enough for a comparison of rates, short enough for many of them.
const SLICE_NS: u64 = 20_000_000;
/// So many slices take turns at first; after that one in so many is of the other kind.
const TRIALS: u32 = 32;
const TRIAL_EVERY: u32 = 16;
/// Naps may cost this share of the rate.
const COST_LIMIT: f64 = 0.02;
/// The comparisons that the mean remembers: a single one is off by several percent on a busy machine.
const MEMORY: u32 = 32;
/// With fewer requests under way a server would run dry meanwhile.
const LEAST_IN_FLIGHT: u32 = 16;

/// Compares the rate with naps to the rate without, and goes by it.
#[derive(Debug, Default)]
pub(crate) struct Napping {
    slice: u32,
    began_ns: u64,
    sent_before: u64,
    naps: bool,
    /// Whether the last slice had naps, and its rate.
    last: Option<(bool, f64)>,
    /// The mean of what naps bring, as the logarithm of a ratio of rates, and of how many comparisons.
    gain: f64,
    compared: u32,
}

impl Napping {
    /// How much has been sent by now.
    #[inline]
    pub(crate) fn observe(&mut self, now_ns: u64, sent: u64) {
        if now_ns >= self.began_ns + SLICE_NS {
            self.end_slice(now_ns, sent);
        }
    }

    /// Whether to nap before the next look.
    #[inline]
    pub(crate) fn wants_nap(&self, in_flight: u32) -> bool {
        self.naps && in_flight >= LEAST_IN_FLIGHT
    }

    fn end_slice(&mut self, now_ns: u64, sent: u64) {
        let rate = (sent - self.sent_before) as f64 / (now_ns - self.began_ns) as f64;
        if let Some((had_naps, last_rate)) = self.last
            && had_naps != self.naps
        {
            self.compare(if self.naps { (rate, last_rate) } else { (last_rate, rate) });
        }
        // What was before the first slice is no slice.
        self.last = (self.began_ns > 0).then_some((self.naps, rate));
        (self.began_ns, self.sent_before) = (now_ns, sent);
        self.slice += 1;
        self.naps = self.next_naps();
    }

    fn compare(&mut self, (with, without): (f64, f64)) {
        if with > 0.0 && without > 0.0 {
            self.compared = (self.compared + 1).min(MEMORY);
            self.gain += ((with / without).ln() - self.gain) / f64::from(self.compared);
        }
    }

    fn next_naps(&self) -> bool {
        if self.slice < TRIALS {
            return self.slice % 2 == 1;
        }
        let is_trial = self.slice.is_multiple_of(TRIAL_EVERY);
        (self.gain > -COST_LIMIT) != is_trial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand slices with these rates, each off by up to a tenth; returns the share that had naps.
    fn share_of_naps(with: f64, without: f64) -> f64 {
        let (mut napping, mut now_ns, mut sent, mut napped) = (Napping::default(), 1, 0.0, 0);
        for slice in 0..1_000_u64 {
            let noise = 0.9 + (slice * 7_919 % 1_000) as f64 / 5_000.0;
            sent += noise * if napping.naps { with } else { without };
            now_ns += SLICE_NS;
            napped += u32::from(napping.naps);
            napping.observe(now_ns, sent as u64);
        }
        f64::from(napped) / 1_000.0
    }

    #[test]
    fn naps_that_bring_something_are_taken() {
        assert!(share_of_naps(1_050.0, 1_000.0) > 0.8);
    }

    #[test]
    fn naps_that_cost_something_are_only_tried() {
        assert!(share_of_naps(900.0, 1_000.0) < 0.2);
    }

    #[test]
    fn a_server_with_little_to_do_is_not_kept_waiting() {
        let napping = Napping { naps: true, ..Napping::default() };
        assert!(napping.wants_nap(LEAST_IN_FLIGHT));
        assert!(!napping.wants_nap(LEAST_IN_FLIGHT - 1));
    }
}
