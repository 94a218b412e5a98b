//! The requests that a load is made of, encoded once, and which of them a slot sends.

use std::collections::HashMap;

use crate::spec::RequestSpec;

/// The fractional part of the golden ratio: multiples of it, taken modulo one, fill the unit interval as evenly as any
/// sequence can (Weyl; Knuth, TAOCP 6.4), so that requests with weights are mixed, not sent in runs.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// One request, ready for the wire.
pub(crate) struct Prepared {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) is_head: bool,
    pub(crate) label: String,
}

/// Every request of a load.
pub(crate) struct Catalog {
    requests: Vec<Prepared>,
    /// The upper end of each request's part of the unit interval; absent where all weigh the same.
    shares: Option<Vec<f64>>,
}

impl Catalog {
    /// At least one request; weights above zero.
    pub(crate) fn new(specs: &[RequestSpec]) -> Self {
        let total: f64 = specs.iter().map(|spec| spec.weight).sum();
        let is_even = specs.windows(2).all(|pair| pair[0].weight.total_cmp(&pair[1].weight).is_eq());
        let mut upper = 0.0;
        let mut share = |spec: &RequestSpec| {
            upper += spec.weight / total;
            upper
        };
        Self {
            shares: (!is_even).then(|| specs.iter().map(&mut share).collect()),
            requests: specs.iter().map(prepare).collect(),
        }
    }

    #[inline]
    pub(crate) fn request(&self, index: u32) -> &Prepared {
        &self.requests[index as usize]
    }

    /// The request of the slot with this number: each in turn, or mixed by weight.
    #[inline]
    pub(crate) fn pick(&self, number: u64) -> u32 {
        let count = self.requests.len();
        match &self.shares {
            _ if count == 1 => 0,
            None => (number % count as u64) as u32,
            Some(shares) => {
                let place = (number as f64 * GOLDEN).fract();
                shares.partition_point(|&upper| upper <= place).min(count - 1) as u32
            }
        }
    }

    /// The label of each request: "host path".
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.requests.iter().map(|request| request.label.as_str())
    }
}

fn prepare(spec: &RequestSpec) -> Prepared {
    Prepared {
        bytes: spec.encode().into(),
        is_head: spec.method == "HEAD",
        label: format!("{} {}", spec.host, spec.path),
    }
}

/// Adds up what requests with the same label gave.
pub(crate) fn by_label<'a, T: Default>(
    labels: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = T>,
    mut add: impl FnMut(&mut T, T),
) -> Vec<(&'a str, T)> {
    let mut order: Vec<(&str, T)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (label, value) in labels.zip(values) {
        let place = *places.entry(label).or_insert_with(|| {
            order.push((label, T::default()));
            order.len() - 1
        });
        add(&mut order[place].1, value);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::spec;

    fn catalog(weights: &[f64]) -> Catalog {
        let request = &spec().requests[0];
        let specs: Vec<_> = weights.iter().map(|&weight| RequestSpec { weight, ..request.clone() }).collect();
        Catalog::new(&specs)
    }

    #[test]
    fn equal_requests_take_turns() {
        let catalog = catalog(&[2.0, 2.0, 2.0]);
        assert_eq!((0..6).map(|number| catalog.pick(number)).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn weights_are_kept_and_mixed() {
        let catalog = catalog(&[1.0, 7.0, 2.0]);
        let mut counts = [0_i32; 3];
        let (mut since, mut longest) = (0, 0);
        for number in 0..10_000 {
            let picked = catalog.pick(number);
            counts[picked as usize] += 1;
            since = if picked == 0 { 0 } else { since + 1 };
            longest = longest.max(since);
        }
        assert!(
            counts.iter().zip([1_000, 7_000, 2_000]).all(|(count, share)| (count - share).abs() <= 5),
            "{counts:?}"
        );
        assert!(longest <= 20, "the rare request is missing for {longest} slots");
    }

    #[test]
    fn labels_that_repeat_are_added_up() {
        let sums = by_label(["a", "b", "a"].into_iter(), [1, 2, 3].into_iter(), |sum: &mut i32, value| {
            *sum += value;
        });
        assert_eq!(sums, [("a", 4), ("b", 2)]);
    }
}
