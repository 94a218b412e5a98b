//! Which request a slot carries: a mixture as of many clients, by weight, drawn from the seed.
//!
//! Free connections take slots in turn, workers every n-th of them, and connections go to targets in turn. Requests that took
//! turns as well would be in lockstep with all of these: each connection or worker would carry some requests only. So slots
//! are shuffled, block by block. Within a block every request has its share to within one, whatever the order; across
//! blocks what rounding left out is made good. A slot's request depends on the seed and its number alone, and takes no memory.

use crate::spec::{LoopKind, WorkerSpec};

/// The odd number nearest to 2^64 over the golden ratio. Multiples of it fill the numbers below 2^64 as evenly as any
/// sequence can (Weyl; Knuth, TAOCP 6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Sets the stream of requests apart from those of send times and delays, which begin from the same seed.
const REQUESTS: u64 = 0x5EA7_12A1_0F4E_9E57;
/// A block of few slots would leave little to chance, of many would keep to the shares only in the long run. At 64 a table
/// of requests and connections scatters by 1/64 more than if each slot had drawn for itself.
const LEAST_BLOCK: u64 = 64;
/// Two raised to the power of 64, and one over it.
const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// The mixture of one worker's requests.
pub(crate) struct Mixture {
    count: u64,
    shuffle: Shuffle,
    /// Absent where all weigh the same.
    weighted: Option<Weighted>,
}

/// The number that the requests of a worker are drawn from. Workers share a schedule in open loop, so they share this; in
/// closed loop each has a sequence of its own.
pub(crate) fn stream(spec: &WorkerSpec) -> u64 {
    let own = match spec.loop_kind {
        LoopKind::Open => 0,
        LoopKind::Closed => u64::from(spec.worker) + 1,
    };
    mixed(mixed(spec.seed ^ REQUESTS).wrapping_add(own.wrapping_mul(GOLDEN)))
}

impl Mixture {
    /// At least one weight; all above zero.
    pub(crate) fn new(weights: &[f64], stream: u64) -> Self {
        let count = weights.len() as u64;
        let is_even = weights.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq());
        let size = if is_even {
            LEAST_BLOCK.div_ceil(count) * count
        } else {
            count.max(LEAST_BLOCK).next_power_of_two()
        };
        Self {
            count,
            shuffle: Shuffle::new(size, stream),
            weighted: (!is_even).then(|| Weighted::new(weights, size, stream)),
        }
    }

    /// The request of the slot with this number.
    #[inline]
    pub(crate) fn pick(&self, number: u64) -> u32 {
        if self.count == 1 {
            return 0;
        }
        let size = self.shuffle.size;
        let (block, position) = (number / size, number % size);
        let place = self.shuffle.place(block, position);
        match &self.weighted {
            None => (place % self.count) as u32,
            Some(weighted) => weighted.at(place, block),
        }
    }
}

/// Requests by the parts of the unit interval that their weights give them.
struct Weighted {
    /// The upper end of each request's part.
    upper: Vec<f64>,
    /// Which request each place of a block begins in, and the last: so finding one takes no search through all.
    guide: Vec<u32>,
    /// The order in which blocks begin a little later or earlier, so that what one rounds down another rounds up.
    starts: Shuffle,
}

impl Weighted {
    fn new(weights: &[f64], size: u64, stream: u64) -> Self {
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let upper: Vec<f64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum / total
            })
            .collect();
        let last = upper.len() - 1;
        let begins_in =
            |place| upper.partition_point(|&end| end <= place as f64 / size as f64).min(last) as u32;
        let guide = (0..=size).map(begins_in).collect();
        Self { upper, guide, starts: Shuffle::new(LEAST_BLOCK, mixed(stream ^ REQUESTS)) }
    }

    #[inline]
    fn at(&self, place: u64, block: u64) -> u32 {
        let size = (self.guide.len() - 1) as f64;
        let within = (place as f64 + self.start(block)) / size;
        let (first, last) = (self.guide[place as usize] as usize, self.guide[place as usize + 1] as usize);
        (first + self.upper[first..last].partition_point(|&end| end <= within)) as u32
    }

    /// How far into its places a block looks, from 0 to 1: every 64th once in 64 blocks, shuffled.
    #[inline]
    fn start(&self, block: u64) -> f64 {
        let (group, position) = (block / self.starts.size, block % self.starts.size);
        let fine = group.wrapping_mul(GOLDEN) as f64 * UNIT;
        (self.starts.place(group, position) as f64 + fine) / self.starts.size as f64
    }
}

/// Permutations of the numbers below `size`, one for each block: a Feistel network over the next power of two (Luby and
/// Rackoff, 1988), walked until it is back below `size` (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
struct Shuffle {
    size: u64,
    stream: u64,
    low_bits: u32,
    low: u64,
    high: u64,
}

impl Shuffle {
    fn new(size: u64, stream: u64) -> Self {
        let bits = size.next_power_of_two().trailing_zeros();
        let low_bits = bits / 2;
        Self { size, stream, low_bits, low: (1 << low_bits) - 1, high: (1 << (bits - low_bits)) - 1 }
    }

    #[inline]
    fn place(&self, block: u64, position: u64) -> u64 {
        let key = mixed(self.stream.wrapping_add(block.wrapping_mul(GOLDEN)));
        let mut place = position;
        loop {
            let (mut low, mut high) = (place & self.low, place >> self.low_bits);
            high ^= mixed(key ^ low) & self.high;
            low ^= mixed(key.rotate_left(16) ^ high) & self.low;
            high ^= mixed(key.rotate_left(32) ^ low) & self.high;
            low ^= mixed(key.rotate_left(48) ^ high) & self.low;
            place = high << self.low_bits | low;
            if place < self.size {
                return place;
            }
        }
    }
}

/// Every bit of what comes out depends on every bit of what goes in (Stafford's Mix13, the finalizer of `SplitMix64`).
#[inline]
fn mixed(mut value: u64) -> u64 {
    value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::spec;

    /// Slots that a load of the given workers sends, as (worker, connection, request), with connections used in turn.
    fn lockstep(weights: &[f64], workers: u64, connections: u64, slots: u64) -> Vec<(u64, u64, u32)> {
        let mixture = Mixture::new(weights, stream(&spec()));
        let each = connections / workers;
        (0..slots)
            .map(|number| {
                let worker = number % workers;
                (worker, worker * each + number / workers % each, mixture.pick(number))
            })
            .collect()
    }

    /// Pearson's statistic of a table of two things, as standard deviations above what independence has on average.
    fn dependence(pairs: impl Iterator<Item = (u64, u32)>, rows: usize, weights: &[f64]) -> f64 {
        let columns = weights.len();
        let mut table = vec![vec![0.0; columns]; rows];
        for (row, column) in pairs {
            table[row as usize][column as usize] += 1.0;
        }
        let total: f64 = weights.iter().sum();
        let statistic: f64 = table
            .iter()
            .flat_map(|row| {
                let sum: f64 = row.iter().sum();
                row.iter().zip(weights).map(move |(seen, weight)| {
                    let expected = sum * weight / total;
                    (seen - expected).powi(2) / expected
                })
            })
            .sum();
        let degrees = ((rows - 1) * (columns - 1)) as f64;
        (statistic - degrees) / (2.0 * degrees).sqrt()
    }

    #[test]
    fn equal_requests_have_equal_shares_in_every_block() {
        for count in [2, 3, 7, 64, 65, 1_000, 100_000] {
            let mixture = Mixture::new(&vec![2.0; count], 7);
            let size = mixture.shuffle.size;
            for block in [0, 1, 977] {
                let mut seen = vec![0; count];
                (block * size..(block + 1) * size)
                    .for_each(|number| seen[mixture.pick(number) as usize] += 1);
                assert!(seen.iter().all(|&times| times == size / count as u64), "{count} requests");
            }
            // A share is never far off in between either: less than two blocks' rest.
            assert!(size < 2 * LEAST_BLOCK.max(count as u64), "{count} requests in blocks of {size}");
        }
    }

    #[test]
    fn weights_are_exact_in_the_long_run_and_within_one_in_every_block() {
        for weights in [vec![1.0, 7.0, 2.0], vec![1e-3, 1.0], vec![0.3, 0.3, 0.1, 5.0, 1.7], vec![1.0, 999.0]]
        {
            let total: f64 = weights.iter().sum();
            let mixture = Mixture::new(&weights, stream(&spec()));
            let size = mixture.shuffle.size;
            let mut all = vec![0.0; weights.len()];
            for block in 0..1_000 {
                let mut seen = vec![0.0; weights.len()];
                (block * size..(block + 1) * size)
                    .for_each(|number| seen[mixture.pick(number) as usize] += 1.0);
                for ((times, sum), weight) in seen.iter().zip(&mut all).zip(&weights) {
                    assert!(
                        (times - size as f64 * weight / total).abs() < 1.0 + 1e-9,
                        "{weights:?}: {seen:?}"
                    );
                    *sum += times;
                }
            }
            for (times, weight) in all.iter().zip(&weights) {
                let share = 1_000.0 * size as f64 * weight / total;
                assert!((times - share).abs() <= 4.0, "{weights:?}: {times} of {share}");
            }
        }
    }

    #[test]
    fn a_hundred_thousand_weights_are_kept() {
        let weights: Vec<f64> = (0..100_000).map(|number| f64::from(1 + number % 10)).collect();
        let mixture = Mixture::new(&weights, 3);
        let mut by_weight = [0_i64; 10];
        let slots = 1_100_000;
        (0..slots).for_each(|number| by_weight[mixture.pick(number) as usize % 10] += 1);
        for (weight, times) in (1_i64..).zip(by_weight) {
            let share = slots as i64 * weight / 55;
            assert!((times - share).abs() <= share / 100, "{weight}: {times} of {share}");
        }
    }

    #[test]
    fn requests_are_independent_of_connection_worker_and_target() {
        for weights in [vec![1.0; 2], vec![1.0; 5], vec![1.0; 100], vec![1.0, 9.0], vec![1.0, 2.0, 3.0, 4.0]]
        {
            // Numbers that divide each other and the blocks, primes, and Fibonacci's, which the golden ratio nearly divides.
            for connections in [2, 10, 64, 128, 144, 192] {
                for workers in [1, 2] {
                    let slots = lockstep(&weights, workers, connections, connections * 400);
                    let of = |part: fn(&(u64, u64, u32)) -> u64| {
                        slots.iter().map(move |slot| (part(slot), slot.2))
                    };
                    let label = format!("{weights:?}, {connections} connections, {workers} workers");
                    let by_connection = dependence(of(|slot| slot.1), connections as usize, &weights);
                    assert!(by_connection < 4.5, "{label}: {by_connection} by connection");
                    let by_target = dependence(of(|slot| slot.1 % 2), 2, &weights);
                    assert!(by_target < 4.5, "{label}: {by_target} by target");
                    if workers > 1 {
                        let by_worker = dependence(of(|slot| slot.0), workers as usize, &weights);
                        assert!(by_worker < 4.5, "{label}: {by_worker} by worker");
                    }
                }
            }
        }
    }

    #[test]
    fn requests_that_follow_each_other_are_independent() {
        let mixture = Mixture::new(&[1.0; 4], stream(&spec()));
        let repeats = (0..100_000).filter(|&number| mixture.pick(number) == mixture.pick(number + 1)).count();
        // A quarter, but that within a block of 64 fifteen others like this one are left among 63.
        assert!((23_000..25_000).contains(&repeats), "{repeats}");
    }

    #[test]
    fn a_seed_gives_the_same_requests_and_another_seed_others() {
        let sequence = |spec: &WorkerSpec| {
            let mixture = Mixture::new(&[1.0, 2.0, 4.0], stream(spec));
            (0..200).map(|number| mixture.pick(number)).collect::<Vec<_>>()
        };
        let open = |seed, worker| sequence(&WorkerSpec { seed, worker, workers: 4, ..spec() });
        let closed = |seed, worker| {
            sequence(&WorkerSpec { seed, worker, workers: 4, loop_kind: LoopKind::Closed, ..spec() })
        };
        assert_eq!(open(1, 0), open(1, 3), "the schedule is that of all workers together");
        assert_ne!(open(1, 0), open(2, 0));
        assert_eq!(closed(1, 2), closed(1, 2));
        let of_each: Vec<_> =
            (1..4).flat_map(|seed| (0..4).map(move |worker| closed(seed, worker))).collect();
        assert!(of_each.iter().enumerate().all(|(at, one)| !of_each[at + 1..].contains(one)));
    }
}
