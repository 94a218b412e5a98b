//! How fast connections may be opened: as fast as was asked for, and no faster than the listener takes them.

use crate::connection_record::Openings;

const NS_PER_S: f64 = 1e9;
/// After a failure whoever opens rests this long, doubled with each further failure.
const FIRST_REST_NS: u64 = 10_000_000;
/// The longest rest.
const LONGEST_REST_NS: u64 = 1_000_000_000;
/// The longest where there is no other connection: requests wait for what is left of it, when the peer is back.
const LONGEST_LONE_REST_NS: u64 = 50_000_000;
/// What a late wake-up may catch up at once: more would be the burst that a connect rate is there to avoid.
const CATCH_UP_NS: u64 = 20_000_000;
/// How often is looked whether the listener keeps up: a lost SYN shows when it is sent again, after a second.
const LOOK_NS: u64 = 1_000_000_000;
/// One lost SYN for so many connections is the network's; more are a listener whose queue overflows.
const ESTABLISHED_PER_LOSS: u64 = 20;
/// A listener that is behind is asked for this part of what it took, so that its queue empties. Only the
/// time counts in which connections were wanted: a pause is not as if it had taken nothing.
const EASED: f64 = 0.9;
/// After a look without losses the rate grows by this.
const REGAINED: f64 = 1.1;
/// However much is lost, this part of the asked rate is tried on: who comes back is to be found.
const SLOWEST: f64 = 0.01;
/// So many looks after the rate was lowered, what was lost before still comes to light (SYNs are sent again after one
/// second, and after two more), and says nothing of the new rate.
const BLIND_LOOKS: u32 = 3;

/// Paces connection attempts evenly.
#[derive(Debug)]
pub(crate) struct Opener {
    asked_per_s: f64,
    rate_per_s: f64,
    next_ns: u64,
    looked_ns: u64,
    seen: Openings,
    /// Attempts since the last look, and how long none was wanted though it was allowed.
    attempts: u64,
    paused_ns: u64,
    blind_looks: u32,
}

impl Opener {
    pub(crate) fn new(rate_per_s: f64, now_ns: u64) -> Self {
        Self {
            asked_per_s: rate_per_s,
            rate_per_s,
            next_ns: now_ns,
            looked_ns: now_ns,
            seen: Openings::default(),
            attempts: 0,
            paused_ns: 0,
            blind_looks: 0,
        }
    }

    /// When the next attempt is allowed.
    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Takes the permission for one attempt, if it is time. `openings` is what has become of all attempts so far.
    pub(crate) fn take(&mut self, now_ns: u64, openings: Openings) -> bool {
        if now_ns < self.next_ns {
            return false;
        }
        let unused_ns = now_ns - self.next_ns;
        // Shorter ones may be those in which as many attempts were under way as there may be.
        self.paused_ns += if unused_ns > LOOK_NS { unused_ns } else { 0 };
        if now_ns >= self.looked_ns + LOOK_NS {
            self.look(now_ns, openings);
        }
        self.attempts += 1;
        let gap_ns = ((NS_PER_S / self.rate_per_s) as u64).max(1);
        self.next_ns = self.next_ns.max(now_ns.saturating_sub(CATCH_UP_NS)) + gap_ns;
        true
    }

    fn look(&mut self, now_ns: u64, openings: Openings) {
        let established = openings.established - self.seen.established;
        let lost = openings.lost - self.seen.lost;
        let attempts = std::mem::take(&mut self.attempts);
        let took_ns = (now_ns - self.looked_ns).saturating_sub(std::mem::take(&mut self.paused_ns));
        let took_s = took_ns.max(1) as f64 / NS_PER_S;
        (self.looked_ns, self.seen) = (now_ns, openings);
        // Few, and not because no more were allowed: the losses of so few say nothing of the rate.
        let is_trickle =
            attempts < ESTABLISHED_PER_LOSS && (attempts as f64) < self.rate_per_s * took_s / 2.0;
        if self.blind_looks > 0 {
            self.blind_looks -= 1;
        } else if lost * ESTABLISHED_PER_LOSS > established {
            if !is_trickle {
                self.rate_per_s = EASED * established as f64 / took_s;
                self.blind_looks = BLIND_LOOKS;
            }
        } else {
            self.rate_per_s *= REGAINED;
        }
        self.rate_per_s = self.rate_per_s.clamp(SLOWEST * self.asked_per_s, self.asked_per_s);
    }
}

/// The rest after this many earlier failures in a row.
pub(crate) fn rest_ns(failures: u32) -> u64 {
    (FIRST_REST_NS << failures.min(10)).min(LONGEST_REST_NS)
}

/// The same where no connection is there that could carry a request.
pub(crate) fn lone_rest_ns(failures: u32) -> u64 {
    rest_ns(failures).min(LONGEST_LONE_REST_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(opener: &mut Opener, until_ns: u64, step_ns: usize) -> usize {
        (0..until_ns)
            .step_by(step_ns)
            .map(|now| {
                std::iter::repeat_with(|| opener.take(now, Openings::default())).take_while(|&go| go).count()
            })
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
        let burst = std::iter::repeat_with(|| opener.take(5_000_000_000, Openings::default()));
        let burst = burst.take_while(|&go| go).count();
        assert!(burst <= 22, "{burst}");
    }

    /// Attempts in each second at a listener that takes `accepted_per_s` and loses the rest.
    fn by_second(accepted_per_s: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut opener = Opener::new(1_000.0, 0);
        let (mut openings, mut by_second) = (Openings::default(), Vec::new());
        for second in 0..30 {
            let mut tried = 0;
            for now_ns in (second * LOOK_NS..(second + 1) * LOOK_NS).step_by(100_000) {
                tried += u64::from(opener.take(now_ns, openings));
            }
            let established = tried.min(accepted_per_s(second));
            openings.established += established;
            openings.lost += tried - established;
            by_second.push(tried);
        }
        by_second
    }

    #[test]
    fn attempts_follow_what_is_established_and_the_rate_comes_back() {
        let tried = by_second(|second| if second < 15 { 500 } else { 10_000 });
        assert!(tried[0] >= 990, "{tried:?}");
        assert!(tried[2..15].iter().all(|tried| (400..=560).contains(tried)), "{tried:?}");
        assert!(tried[27..].iter().all(|tried| *tried >= 990), "{tried:?}");
    }

    #[test]
    fn a_few_losses_are_the_networks() {
        assert!(by_second(|_| 960).iter().all(|tried| *tried >= 990));
    }

    /// The rate after a quiet hour, in which so many connections are opened again with so many losses, and a later one.
    fn rate_after_an_hour(reopened: u64, lost: u64) -> f64 {
        let mut opener = Opener::new(1_000.0, 0);
        let mut openings = Openings { established: 1_000, lost: 0 };
        assert!(opener.take(LOOK_NS, openings));
        let hour_ns = 3_600 * LOOK_NS;
        for number in 0..reopened {
            assert!(opener.take(hour_ns + number * LOOK_NS / 1_000, openings));
        }
        openings = Openings { established: 1_000 + reopened, lost };
        assert!(opener.take(2 * hour_ns, openings));
        opener.rate_per_s
    }

    #[test]
    fn a_trickle_with_a_loss_does_not_throttle_either() {
        let (mut opener, mut openings) = (Opener::new(1_000.0, 0), Openings::default());
        for number in 0..100 {
            assert!(opener.take(number * LOOK_NS * 9 / 10, openings));
            openings = Openings { established: number + 1, lost: number / 2 };
        }
        assert!((opener.rate_per_s - 1_000.0).abs() < 1.0, "{}", opener.rate_per_s);
    }

    #[test]
    fn a_loss_after_a_quiet_hour_does_not_throttle_what_comes_next() {
        assert!((rate_after_an_hour(1, 1) - 1_000.0).abs() < 1.0, "{}", rate_after_an_hour(1, 1));
        assert!(rate_after_an_hour(100, 10) > 800.0, "{}", rate_after_an_hour(100, 10));
    }

    #[test]
    fn where_nothing_is_taken_little_is_tried() {
        assert!(by_second(|_| 0)[2..].iter().all(|tried| (5..=30).contains(tried)));
    }

    #[test]
    fn rests_longer_and_longer_and_not_for_ever() {
        assert_eq!([0, 1, 2, 30].map(rest_ns), [10_000_000, 20_000_000, 40_000_000, 1_000_000_000]);
        assert_eq!([0, 2, 3, 30].map(lone_rest_ns), [10_000_000, 40_000_000, 50_000_000, 50_000_000]);
    }
}
