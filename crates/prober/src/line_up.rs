//! Which probe is sent next: the one that has been due for longest, and none sooner than the rate allows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Probes by when they are due.
#[derive(Debug)]
pub(crate) struct LineUp {
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// How long one takes of the rate.
    interval_ns: f64,
    /// When the next may be sent.
    open_ns: f64,
    late_ns_max: u64,
    sent: u64,
}

impl LineUp {
    pub(crate) fn new(rate_limit_per_s: f64) -> Self {
        Self {
            due: BinaryHeap::new(),
            interval_ns: 1e9 / rate_limit_per_s,
            open_ns: 0.0,
            late_ns_max: 0,
            sent: 0,
        }
    }

    pub(crate) fn add(&mut self, due_ns: u64, place: u32) {
        self.due.push(Reverse((due_ns, place)));
    }

    /// Takes the next that may be sent now.
    pub(crate) fn next(&mut self, now_ns: u64) -> Option<u32> {
        let Reverse((due_ns, place)) = *self.due.peek()?;
        if due_ns > now_ns || self.open_ns > now_ns as f64 {
            return None;
        }
        self.due.pop();
        // A loop that wakes a little late has still the one that it came late for; of one that was away nothing more.
        self.open_ns = self.open_ns.max(now_ns as f64 - self.interval_ns) + self.interval_ns;
        self.late_ns_max = self.late_ns_max.max(now_ns - due_ns);
        Some(place)
    }

    pub(crate) fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// When to look again.
    pub(crate) fn wake_ns(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_ns, _))| (*due_ns).max(self.open_ns.ceil() as u64))
    }

    /// How many were sent, and by how much the latest was late.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.sent, self.late_ns_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_due_goes_first_and_the_rate_is_kept() {
        let mut line_up = LineUp::new(1e6);
        for (due_ns, place) in [(500, 1), (100, 2), (9_000, 3)] {
            line_up.add(due_ns, place);
        }
        assert_eq!(line_up.next(99), None);
        assert_eq!(line_up.next(1_000), Some(2));
        assert_eq!(line_up.next(1_400), Some(1));
        line_up.add(1_500, 4);
        assert_eq!((line_up.next(1_999), line_up.wake_ns()), (None, Some(2_000)));
        assert_eq!(line_up.next(2_000), Some(4));
        assert_eq!((line_up.next(8_999), line_up.wake_ns()), (None, Some(9_000)));
        assert_eq!((line_up.next(9_000), line_up.wake_ns()), (Some(3), None));
        assert_eq!(line_up.totals().1, 900);
    }

    #[test]
    fn what_a_loop_that_was_away_has_missed_is_not_sent_at_once() {
        let mut line_up = LineUp::new(1e6);
        (0..10).for_each(|place| line_up.add(0, place));
        assert!(line_up.next(50_000).is_some());
        assert!(line_up.next(50_000).is_some());
        assert_eq!(line_up.next(50_000), None);
    }
}
