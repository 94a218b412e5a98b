//! The requests that a load is made of, encoded once, and which of them a slot sends.

use std::collections::HashMap;

use crate::mixture::{Mixture, stream};
use crate::spec::{RequestSpec, WorkerSpec};

/// One request, ready for the wire.
pub(crate) struct Prepared {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) is_head: bool,
    pub(crate) label: String,
}

/// Every request of a load.
pub(crate) struct Catalog {
    requests: Vec<Prepared>,
    mixture: Mixture,
}

impl Catalog {
    /// The requests of a worker, at least one; weights above zero.
    pub(crate) fn new(spec: &WorkerSpec) -> Self {
        let weights: Vec<f64> = spec.requests.iter().map(|request| request.weight).collect();
        Self {
            mixture: Mixture::new(&weights, stream(spec)),
            requests: spec.requests.iter().map(prepare).collect(),
        }
    }

    #[inline]
    pub(crate) fn request(&self, index: u32) -> &Prepared {
        &self.requests[index as usize]
    }

    /// The request of the slot with this number.
    #[inline]
    pub(crate) fn pick(&self, number: u64) -> u32 {
        self.mixture.pick(number)
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

    #[test]
    fn labels_that_repeat_are_added_up() {
        let sums = by_label(["a", "b", "a"].into_iter(), [1, 2, 3].into_iter(), |sum: &mut i32, value| {
            *sum += value;
        });
        assert_eq!(sums, [("a", 4), ("b", 2)]);
    }
}
