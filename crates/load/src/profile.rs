//! How the rate changes over the load: constant, in steps, or along ramps.
//!
//! The schedule needs the inverse of the number of requests due by a time. Over a stretch whose rate goes linearly from a
//! to b in T seconds that number is a t + (b - a) t^2 / 2T, so the inverse is the root of a quadratic.

use serde::Deserialize;

const NS_PER_S: f64 = 1e9;

/// A stretch of the load over which the rate goes linearly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// Its length; the last stretch goes on to the end of the load however long it says it is.
    pub length_ns: u64,
    /// Requests per second at its start.
    pub from_per_s: f64,
    /// Requests per second at its end.
    pub to_per_s: f64,
}

impl Stretch {
    fn length_s(&self) -> f64 {
        self.length_ns as f64 / NS_PER_S
    }

    fn slope_per_s2(&self) -> f64 {
        (self.to_per_s - self.from_per_s) / self.length_s()
    }

    /// Requests that are due within the first `seconds` of it.
    fn due(&self, seconds: f64) -> f64 {
        self.from_per_s * seconds + self.slope_per_s2() * seconds * seconds / 2.0
    }

    /// When, in seconds from its start, this many requests are due.
    fn when(&self, due: f64) -> f64 {
        let slope = self.slope_per_s2();
        // Citardauq's form of the root: it does not lose its digits where the slope is nearly zero.
        let root = (self.from_per_s * self.from_per_s + 2.0 * slope * due).max(0.0).sqrt();
        2.0 * due / (self.from_per_s + root)
    }
}

struct Leg {
    stretch: Stretch,
    start_ns: f64,
    due_before: f64,
}

/// The rate over the whole load.
pub struct Profile(Vec<Leg>);

impl Profile {
    /// A profile of at least one stretch; every rate and length above zero, but for the last length.
    pub fn new(stretches: &[Stretch]) -> Self {
        let (mut start_ns, mut due_before) = (0.0, 0.0);
        let legs = stretches.iter().map(|&stretch| {
            let leg = Leg { stretch, start_ns, due_before };
            start_ns += stretch.length_ns as f64;
            due_before += stretch.due(stretch.length_s());
            leg
        });
        Self(legs.collect())
    }

    /// When the request with this number (counting from 0, fractions allowed) is due.
    #[inline]
    pub fn due_at_ns(&self, number: f64) -> f64 {
        let last = self.0.len() - 1;
        let at =
            if last == 0 { 0 } else { self.0.partition_point(|leg| leg.due_before <= number).max(1) - 1 };
        let leg = &self.0[at];
        let within = number - leg.due_before;
        // Past its end the last stretch keeps its final rate.
        let whole = if at == last { leg.stretch.due(leg.stretch.length_s()) } else { f64::INFINITY };
        if within > whole {
            let beyond_s = (within - whole) / leg.stretch.to_per_s;
            return leg.start_ns + leg.stretch.length_ns as f64 + beyond_s * NS_PER_S;
        }
        leg.start_ns + leg.stretch.when(within) * NS_PER_S
    }

    /// How many requests are due by a time.
    pub fn due_by(&self, ns: f64) -> f64 {
        let at = self.0.partition_point(|leg| leg.start_ns <= ns).max(1) - 1;
        let leg = &self.0[at];
        let seconds = (ns - leg.start_ns) / NS_PER_S;
        let inside_s = seconds.min(leg.stretch.length_s());
        leg.due_before + leg.stretch.due(inside_s) + (seconds - inside_s) * leg.stretch.to_per_s
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|leg| leg.stretch)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::constant;

    fn stretch(seconds: u64, from_per_s: f64, to_per_s: f64) -> Stretch {
        Stretch { length_ns: seconds * 1_000_000_000, from_per_s, to_per_s }
    }

    #[test]
    fn a_constant_rate_is_even() {
        let profile = Profile::new(&constant(10_000.0));
        for number in [0.0, 1.0, 9_999.0, 10_000.0, 1e9] {
            assert!((profile.due_at_ns(number) - number * 1e5).abs() <= 1e-3 * number.max(1.0), "{number}");
        }
    }

    #[test]
    fn steps_and_ramps_hold_what_their_areas_say() {
        // 2 s at 100/s, 4 s from 100/s up to 300/s, then 300/s.
        let profile =
            Profile::new(&[stretch(2, 100.0, 100.0), stretch(4, 100.0, 300.0), stretch(1, 300.0, 300.0)]);
        for (seconds, due) in [(1.0, 100.0), (2.0, 200.0), (4.0, 500.0), (6.0, 1_000.0), (10.0, 2_200.0)] {
            assert!((profile.due_by(seconds * 1e9) - due).abs() < 1e-6, "{seconds} s");
            assert!((profile.due_at_ns(due) - seconds * 1e9).abs() < 10.0, "{due}");
        }
    }

    #[test]
    fn a_ramp_down_to_almost_nothing_has_no_gap() {
        let profile = Profile::new(&[stretch(10, 1_000.0, 1.0)]);
        let times: Vec<f64> = (0..5_000).map(|number| profile.due_at_ns(f64::from(number))).collect();
        assert!(times.windows(2).all(|pair| pair[1] > pair[0] && pair[1].is_finite()));
    }
}
