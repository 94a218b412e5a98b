//! How much before a moment a timer has to go off so that the program runs at that moment.
//!
//! A timer wakes a sleeper late: the processor leaves its rest, the kernel switches. Most of that is the same each
//! time, so it is learnt and taken off; the little that comes early is waited out.

use crate::clock::now_ns;

/// The lead is the lateness that one wake-up in ten stays below: nearly no wake-up is early then.
const STEP_UP_NS: u64 = 100;
const STEP_DOWN_NS: u64 = 9 * STEP_UP_NS;

/// A wake-up that is later than this was preempted; and nobody waits out more.
const MOST_NS: u64 = 100_000;

/// The lateness that nearly every wake-up has, learnt as they come (a quantile by stochastic approximation: Robbins and
/// Monro, "A Stochastic Approximation Method", 1951).
#[derive(Debug, Default)]
pub(crate) struct Lead {
    lead_ns: u64,
}

impl Lead {
    /// When the timer should go off for `deadline_ns`.
    #[inline]
    pub(crate) fn before(&self, deadline_ns: u64) -> u64 {
        deadline_ns.saturating_sub(self.lead_ns)
    }

    /// A timer that was set for this moment has gone off.
    #[inline]
    pub(crate) fn woken(&mut self, timer_ns: u64) {
        self.learn(now_ns().saturating_sub(timer_ns));
    }

    fn learn(&mut self, late_ns: u64) {
        self.lead_ns = if late_ns > self.lead_ns {
            (self.lead_ns + STEP_UP_NS).min(MOST_NS)
        } else {
            self.lead_ns.saturating_sub(STEP_DOWN_NS)
        };
    }
}

/// Waits out what is left until `deadline_ns`: at most a lead.
#[inline]
pub(crate) fn wait_out(deadline_ns: u64) {
    while now_ns() < deadline_ns {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lead_is_what_one_wake_up_in_ten_stays_below() {
        let mut lead = Lead::default();
        // Lateness spread evenly from 20 to 40 us, in a fixed order that visits all of it.
        for number in 0..20_000_u64 {
            lead.learn(20_000 + number * 7_919 % 20_000);
        }
        assert!((20_000..=25_000).contains(&lead.lead_ns), "{lead:?}");
    }

    #[test]
    fn a_sleeper_that_is_far_too_late_makes_nobody_wait_long() {
        let mut lead = Lead::default();
        (0..10_000).for_each(|_| lead.learn(1_000_000_000));
        assert_eq!(lead.lead_ns, MOST_NS);
        assert_eq!(lead.before(50_000), 0);
    }

    #[test]
    fn nothing_returns_before_its_deadline() {
        let deadline_ns = now_ns() + 20_000;
        wait_out(deadline_ns);
        assert!(now_ns() >= deadline_ns);
    }
}
