//! The intended send times, fixed before the load: a slow system never slows them down.
//!
//! Uniform slots are global: slot k of the whole load is at k/rate, and worker i of n owns every slot with k = i mod n,
//! so the whole is even without any talk between workers. A Poisson load is the sum of independent Poisson workers.

use std::ops::Range;

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::profile::Profile;
use crate::spec::{Arrival, WorkerSpec};

/// Sets the streams of a load's workers apart, and those of loads whose seeds follow each other (the odd number nearest
/// to 2^64 over the golden ratio: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
const STREAM: u64 = 0x9E37_79B9_7F4A_7C15;

/// The phase that a request belongs to by its intended send time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Sent, answered and recorded apart.
    WarmUp,
    /// What is reported.
    Measure,
}

impl Phase {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;
    /// Their names in frames, in order.
    pub(crate) const NAMES: [&str; Self::COUNT] = ["warmup", "measure"];
}

/// One intended send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When, on the driver's clock.
    pub intended_ns: u64,
    /// Which phase counts it.
    pub phase: Phase,
    /// Its place in the schedule of the whole load, in closed loop in this worker's: it says which request is sent.
    pub number: u64,
}

/// The slots of one worker, in order.
#[derive(Debug)]
pub struct Schedule {
    arrival: Arrival,
    start_ns: u64,
    warmup_ns: u64,
    end_ns: u64,
    resolution_ns: u64,
    grid_offset_ns: u64,
    profile: Profile,
    workers: u32,
    index: u64,
    /// The place of the next slot among all requests; a whole number in a uniform schedule.
    place: f64,
    nominal_ns: f64,
    random: Xoshiro256PlusPlus,
}

impl Schedule {
    /// The schedule of `spec`, beginning at `start_ns`.
    pub fn new(spec: &WorkerSpec, start_ns: u64) -> Self {
        let mut schedule = Self {
            arrival: spec.arrival,
            start_ns,
            warmup_ns: spec.warmup_ns,
            end_ns: spec.warmup_ns + spec.measure_ns,
            resolution_ns: spec.resolution_ns,
            grid_offset_ns: spec.resolution_ns * u64::from(spec.worker) / u64::from(spec.workers),
            profile: Profile::new(&spec.profile),
            workers: spec.workers,
            index: u64::from(spec.worker),
            place: f64::INFINITY,
            nominal_ns: f64::INFINITY,
            random: Xoshiro256PlusPlus::seed_from_u64(
                spec.seed ^ u64::from(spec.worker).wrapping_mul(STREAM),
            ),
        };
        // A worker that only holds idle connections owns no slot, and a closed loop has none.
        if spec.active > 0 && !spec.profile.is_empty() {
            schedule.place = match spec.arrival {
                Arrival::Uniform => schedule.index as f64,
                Arrival::Poisson => schedule.exponential_gap(),
            };
            schedule.nominal_ns = schedule.profile.due_at_ns(schedule.place);
        }
        schedule
    }

    /// The next slot, or `None` after the last.
    #[inline]
    pub fn next(&self) -> Option<Slot> {
        let nominal_ns = self.nominal_ns as u64;
        if nominal_ns >= self.end_ns {
            return None;
        }
        let phase = if nominal_ns < self.warmup_ns { Phase::WarmUp } else { Phase::Measure };
        Some(Slot { intended_ns: self.start_ns + self.on_grid(nominal_ns), phase, number: self.index })
    }

    /// Moves past the next slot.
    #[inline]
    pub fn advance(&mut self) {
        self.index += u64::from(self.workers);
        match self.arrival {
            Arrival::Uniform => self.place = self.index as f64,
            // A Poisson process of any changing rate is one of rate 1 whose time runs as the profile says.
            Arrival::Poisson => self.place += self.exponential_gap(),
        }
        self.nominal_ns = self.profile.due_at_ns(self.place);
    }

    /// About how many slots are due and not passed yet: exact for a uniform schedule, the mean for a Poisson one.
    pub fn due(&self, now_ns: u64) -> u64 {
        let Some(slot) = self.next() else { return 0 };
        if now_ns < slot.intended_ns {
            return 0;
        }
        let until_ns = now_ns.min(self.end_ns()) - self.start_ns.min(now_ns);
        let overdue = self.profile.due_by(until_ns as f64) - self.place;
        (overdue / f64::from(self.workers)).max(0.0) as u64 + 1
    }

    /// Ends the schedule early: no slot is later than `now_ns`.
    pub fn cut(&mut self, now_ns: u64) {
        self.end_ns = self.end_ns.min(now_ns.saturating_sub(self.start_ns));
    }

    /// The length of the measure window, which a cut makes shorter.
    pub fn measured_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.warmup_ns)
    }

    /// When the measure window is; empty where a cut came before it.
    pub fn window(&self) -> Range<u64> {
        self.start_ns + self.warmup_ns.min(self.end_ns)..self.end_ns()
    }

    /// When the last phase ends.
    pub fn end_ns(&self) -> u64 {
        self.start_ns + self.end_ns
    }

    /// When the first slot may be.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// The phase that a moment belongs to, for the closed loop.
    pub fn phase_at(&self, now_ns: u64) -> Phase {
        if now_ns.saturating_sub(self.start_ns) < self.warmup_ns { Phase::WarmUp } else { Phase::Measure }
    }

    fn on_grid(&self, nominal_ns: u64) -> u64 {
        if self.resolution_ns == 0 {
            return nominal_ns;
        }
        nominal_ns / self.resolution_ns * self.resolution_ns + self.grid_offset_ns
    }

    /// In places of the whole load, of which this worker has every `workers`-th.
    fn exponential_gap(&mut self) -> f64 {
        // 53 random bits make a uniform double in [0, 1); its complement is never 0, so the logarithm is finite.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() * f64::from(self.workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{constant, spec};
    use crate::profile::Stretch;

    const S: u64 = 1_000_000_000;

    fn slots(mut schedule: Schedule) -> Vec<Slot> {
        let mut slots = Vec::new();
        while let Some(slot) = schedule.next() {
            slots.push(slot);
            schedule.advance();
        }
        slots
    }

    #[test]
    fn no_two_workers_of_loads_with_neighbouring_seeds_share_a_stream() {
        let first_ns = |(seed, worker)| {
            let arrival = Arrival::Poisson;
            let spec = crate::spec::WorkerSpec { seed, worker, workers: 4, arrival, ..spec() };
            Schedule::new(&spec, 0).next().expect("a slot").intended_ns
        };
        let mut firsts: Vec<u64> =
            (1..5).flat_map(|seed| (0..4).map(move |worker| (seed, worker))).map(first_ns).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 16);
    }

    #[test]
    fn workers_share_one_even_schedule() {
        let mut all: Vec<u64> = (0..3)
            .flat_map(|worker| {
                let mut spec = spec();
                (spec.worker, spec.workers, spec.profile) = (worker, 3, constant(10_000.0));
                (spec.warmup_ns, spec.measure_ns, spec.resolution_ns) = (0, S, 0);
                slots(Schedule::new(&spec, 0)).into_iter().map(|slot| slot.intended_ns)
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all.len(), 10_000);
        assert!(all.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(100_000) <= 1));
    }

    #[test]
    fn phases_hold_rate_times_length_slots_whatever_the_grid() {
        for resolution_ns in [0, 250_000, 1_000_000] {
            let mut spec = spec();
            (spec.profile, spec.warmup_ns, spec.measure_ns) = (constant(7_000.0), S / 2, 2 * S);
            spec.resolution_ns = resolution_ns;
            let slots = slots(Schedule::new(&spec, 5 * S));
            let warmup = slots.iter().filter(|slot| slot.phase == Phase::WarmUp).count();
            assert_eq!((warmup, slots.len() - warmup), (3_500, 14_000));
            assert!(slots.iter().all(|slot| resolution_ns == 0 || slot.intended_ns % resolution_ns == 0));
        }
    }

    #[test]
    fn poisson_gaps_have_equal_mean_and_deviation() {
        let mut spec = spec();
        (spec.arrival, spec.profile, spec.resolution_ns) = (Arrival::Poisson, constant(10_000.0), 0);
        (spec.warmup_ns, spec.measure_ns) = (0, 20 * S);
        let slots = slots(Schedule::new(&spec, 0));
        let gaps: Vec<f64> =
            slots.windows(2).map(|pair| (pair[1].intended_ns - pair[0].intended_ns) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean / 100_000.0 - 1.0).abs() < 0.02, "mean gap {mean} ns");
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.03,
            "coefficient of variation {}",
            variance.sqrt() / mean
        );
    }

    #[test]
    fn a_ramp_is_followed_by_all_workers_together() {
        let mut second = [0; 4];
        for worker in 0..2 {
            let mut spec = spec();
            spec.profile = vec![Stretch { length_ns: 4 * S, from_per_s: 1_000.0, to_per_s: 5_000.0 }];
            (spec.worker, spec.workers, spec.warmup_ns, spec.measure_ns) = (worker, 2, 0, 4 * S);
            for slot in slots(Schedule::new(&spec, 0)) {
                second[(slot.intended_ns / S) as usize] += 1;
            }
        }
        for (seen, due) in second.iter().zip([1_500_i32, 2_500, 3_500, 4_500]) {
            assert!((seen - due).abs() <= 2, "{second:?}");
        }
    }

    #[test]
    fn a_cut_schedule_ends_at_the_cut() {
        let mut spec = spec();
        (spec.profile, spec.warmup_ns, spec.measure_ns) = (constant(1_000.0), S, 10 * S);
        let mut schedule = Schedule::new(&spec, 0);
        schedule.cut(3 * S);
        assert_eq!(schedule.measured_ns(), 2 * S);
        assert_eq!(slots(schedule).len(), 3_000);
    }
}
