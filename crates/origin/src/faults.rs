//! Misbehaviour on demand: which answers go wrong and how, and the count of what was done.

use std::collections::BTreeMap;

use rand_core::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::delay::unit;
use crate::spec::{Fault, OriginSpec};

const NS_PER_US: f64 = 1e3;

/// What goes wrong, by the origin's random stream and clock.
pub(crate) struct Faults {
    random: Xoshiro256PlusPlus,
    /// Each with the sum of the shares up to its own.
    below: Vec<(f64, Fault)>,
    stalls: Vec<Stall>,
    first_request_ns: Option<u64>,
    close_after: Option<u32>,
    counts: BTreeMap<&'static str, u64>,
}

/// Counted from the first request on.
struct Stall {
    start_ns: u64,
    end_ns: u64,
}

impl Faults {
    pub(crate) fn new(spec: &OriginSpec) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(spec.seed);
        // The delays have the beginning of this stream: faults must not move with them.
        random.jump();
        let mut sum = 0.0;
        let below = spec.faults.iter().map(|fault| {
            sum += fault.share;
            (sum, fault.fault)
        });
        let stalls = spec.stalls.iter().map(|stall| Stall {
            start_ns: (stall.at_us * NS_PER_US) as u64,
            end_ns: ((stall.at_us + stall.for_us) * NS_PER_US) as u64,
        });
        Self {
            random,
            below: below.collect(),
            stalls: stalls.collect(),
            first_request_ns: None,
            close_after: spec.close_after,
            counts: BTreeMap::new(),
        }
    }

    /// What goes wrong with the next answer. Without a body nothing can go wrong with it.
    #[inline]
    pub(crate) fn draw(&mut self, has_body: bool) -> Option<Fault> {
        if self.below.is_empty() {
            return None;
        }
        let drawn = unit(&mut self.random);
        let fault = self.below.iter().find(|(below, _)| drawn < *below)?.1;
        (has_body || !fault.is_of_the_body()).then_some(fault)
    }

    /// Whether the connection ends with the answer to this request, its `nth` from 1.
    #[inline]
    pub(crate) fn closes_after(&self, nth: u32) -> bool {
        self.close_after.is_some_and(|limit| nth >= limit)
    }

    /// Whether answers may be held back by a stall.
    #[inline]
    pub(crate) fn has_stalls(&self) -> bool {
        !self.stalls.is_empty()
    }

    /// When an answer that could leave at `at_ns` may leave, to a request that came at `now_ns`.
    pub(crate) fn after_stalls_ns(&mut self, at_ns: u64, now_ns: u64) -> u64 {
        let start_ns = *self.first_request_ns.get_or_insert(now_ns);
        let mut since_ns = at_ns - start_ns;
        // Sorted by their start, so that the end of one may fall into the next.
        for stall in &self.stalls {
            if (stall.start_ns..stall.end_ns).contains(&since_ns) {
                since_ns = stall.end_ns;
            }
        }
        if start_ns + since_ns > at_ns {
            self.count("stall");
        }
        start_ns + since_ns
    }

    /// One more was done.
    pub(crate) fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// What was done, by kind.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(more: &str) -> Faults {
        let spec = format!(
            r#"{{"listen": [{{"host": "127.0.0.1", "port": 0}}], "body_bytes": 5, "status": 200, {more}}}"#
        );
        Faults::new(&OriginSpec::parse(&spec).expect("a valid spec"))
    }

    #[test]
    fn each_kind_has_its_share_and_a_seed_repeats_them() {
        let spec =
            r#""seed": 3, "faults": [{"kind": "reset", "share": 0.1}, {"kind": "half", "share": 0.02}]"#;
        let draws = || {
            let mut faults = faults(spec);
            (0..100_000).map(|_| faults.draw(true)).collect::<Vec<_>>()
        };
        let drawn = draws();
        assert_eq!(drawn, draws());
        for (fault, expected) in [(Fault::Reset, 10_000.0), (Fault::Half, 2_000.0)] {
            let count = drawn.iter().filter(|one| **one == Some(fault)).count() as f64;
            // Five standard deviations of a binomial count at most.
            assert!((count - expected).abs() < 5.0 * f64::sqrt(expected), "{fault:?}: {count}");
        }
    }

    #[test]
    fn what_has_no_body_is_spared_what_is_done_to_bodies() {
        let mut faults = faults(r#""faults": [{"kind": "half", "share": 1.0}]"#);
        assert_eq!([faults.draw(false), faults.draw(true)], [None, Some(Fault::Half)]);
    }

    #[test]
    fn stalls_begin_with_the_first_request_and_may_meet() {
        let mut faults = faults(
            r#""stalls": [{"at_us": 30, "for_us": 10}, {"at_us": 10, "for_us": 20}, {"at_us": 90, "for_us": 1}]"#,
        );
        let leave: Vec<u64> = [1_000, 10_999, 11_000, 31_500, 41_000]
            .map(|at_ns| faults.after_stalls_ns(at_ns, at_ns.min(1_000)))
            .into();
        assert_eq!(leave, [1_000, 10_999, 41_000, 41_000, 41_000]);
        assert_eq!(faults.counts().get("stall"), Some(&2));
    }
}
