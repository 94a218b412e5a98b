//! Clocks in nanoseconds.
//!
//! Everything is timed by `CLOCK_MONOTONIC`. The kernel stamps received data with `CLOCK_REALTIME`; [`Realtime`] maps
//! such a stamp and notices when somebody steps that clock.

const NS_PER_S: u64 = 1_000_000_000;

/// A change of the offset between the clocks larger than this, between two looks, is a step. NTP slews by at most
/// 500 us/s, so two looks a second apart stay below it.
const STEP_NS: i64 = 1_000_000;

/// What a clock of the kernel shows; 0 where it has none of that number.
pub(crate) fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing; a clock that does not exist leaves it alone.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    in_ns(time)
}

/// A time as the kernel tells it.
#[inline]
pub(crate) fn in_ns(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64
}

/// Now, by `CLOCK_MONOTONIC`.
#[inline]
pub fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Now, by the wall clock.
pub fn wall_ns() -> u64 {
    read(libc::CLOCK_REALTIME)
}

/// A duration as the kernel wants it.
pub(crate) fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / NS_PER_S) as libc::time_t, tv_nsec: (ns % NS_PER_S) as libc::c_long }
}

/// Sleeps until `deadline_ns`; returns early only when a signal arrives, and nothing where the deadline is past already.
pub(crate) fn sleep_until(deadline_ns: u64) -> Option<u64> {
    if deadline_ns <= now_ns() {
        return None;
    }
    let deadline = timespec(deadline_ns);
    // SAFETY: `deadline` is valid for reading, and no remaining time is asked for.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const deadline,
            std::ptr::null_mut(),
        )
    };
    Some(deadline_ns)
}

/// The mapping from `CLOCK_REALTIME` to `CLOCK_MONOTONIC`.
#[derive(Debug)]
pub struct Realtime {
    offset_ns: i64,
    steps: u64,
}

impl Default for Realtime {
    fn default() -> Self {
        Self { offset_ns: Self::measure(), steps: 0 }
    }
}

impl Realtime {
    fn measure() -> i64 {
        read(libc::CLOCK_REALTIME) as i64 - now_ns() as i64
    }

    /// Looks at both clocks again; once per wake-up. Returns whether the wall clock was stepped meanwhile, in which
    /// case stamps taken before this look cannot be mapped.
    pub fn refresh(&mut self) -> bool {
        self.observe(Self::measure())
    }

    fn observe(&mut self, offset_ns: i64) -> bool {
        // A look can be torn by a preemption between its two reads; a step is still there at a second look.
        let stepped = (offset_ns - self.offset_ns).abs() > STEP_NS
            && (Self::measure() - self.offset_ns).abs() > STEP_NS;
        if stepped {
            self.steps += 1;
            self.offset_ns = Self::measure();
        } else if (offset_ns - self.offset_ns).abs() <= STEP_NS {
            self.offset_ns = offset_ns;
        }
        stepped
    }

    /// A `CLOCK_REALTIME` stamp on the `CLOCK_MONOTONIC` scale.
    #[inline]
    pub fn to_monotonic(&self, realtime_ns: u64) -> u64 {
        realtime_ns.wrapping_add_signed(-self.offset_ns)
    }

    /// Puts this clock where it is after somebody has set the wall clock `ahead_ns` forward since the last look.
    #[cfg(test)]
    pub(crate) fn pretend_step(&mut self, ahead_ns: i64) {
        self.offset_ns -= ahead_ns;
    }

    /// How often the wall clock was stepped.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_maps_onto_the_monotonic_one() {
        let clock = Realtime::default();
        let mapped = clock.to_monotonic(read(libc::CLOCK_REALTIME));
        assert!(mapped.abs_diff(now_ns()) < 50_000_000);
    }

    #[test]
    fn a_torn_look_is_not_a_step() {
        let mut clock = Realtime::default();
        assert!(!clock.observe(clock.offset_ns + 10 * STEP_NS));
        assert_eq!(clock.steps(), 0);
    }

    #[test]
    fn a_step_is_noticed() {
        let mut clock = Realtime::default();
        clock.pretend_step(10 * STEP_NS);
        assert!(clock.refresh());
        assert_eq!(clock.steps(), 1);
    }

    #[test]
    fn stamps_of_either_side_of_a_step_map_to_the_same_scale() {
        for ahead_ns in [5_000_000_000, -5_000_000_000] {
            let mut clock = Realtime::default();
            let before_ns = clock.to_monotonic(read(libc::CLOCK_REALTIME));
            clock.pretend_step(ahead_ns);
            assert!(clock.refresh());
            let after_ns = clock.to_monotonic(read(libc::CLOCK_REALTIME));
            assert!(before_ns <= after_ns + STEP_NS as u64 && after_ns - before_ns < 1_000_000_000);
            assert!(!clock.refresh(), "one step is one step");
        }
    }
}
