//! What became of each request of the catalog, and its latencies apart where somebody asked for that.

use std::collections::HashMap;

use hdrhistogram::Histogram as Hdr;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::encoder;
use crate::histogram::MAX_US;
use crate::schedule::Phase;

/// Two digits, and memory that grows with the range seen: thousands of routes have a histogram each.
const ROUTE_DIGITS: u8 = 2;

/// One route's part of the measure window; `completed_in_all` counts the warm-up, too, as the origin does.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RouteReport {
    /// Host and path.
    pub route: String,
    /// Requests sent.
    pub sent: u64,
    /// Requests answered.
    pub completed: u64,
    /// Requests that timed out or broke.
    pub failed: u64,
    /// Answers that were not as expected.
    pub unexpected: u64,
    /// Requests answered in all phases.
    pub completed_in_all: u64,
    /// The latencies of all that was intended, base64 V2; "" where they were not kept apart. What got no answer has taken
    /// at least until its end.
    pub latency: String,
    /// Whether that has samples.
    #[serde(skip)]
    pub has_waited: bool,
}

impl RouteReport {
    /// Whether anything was sent there, or was to be.
    pub(crate) fn has_counted(&self) -> bool {
        let counts = [self.sent, self.completed, self.failed, self.unexpected, self.completed_in_all];
        counts.iter().any(|&count| count > 0) || self.has_waited
    }

    /// About how long it is as JSON.
    pub(crate) fn written_bytes(&self) -> usize {
        const NAMES_AND_COUNTS: usize = 160;
        self.route.len() + self.latency.len() + NAMES_AND_COUNTS
    }
}

#[derive(Clone, Default)]
struct Counts {
    sent: u64,
    completed: u64,
    failed: u64,
    unexpected: u64,
    completed_in_all: u64,
    latency: Option<Hdr<u64>>,
}

impl Counts {
    #[inline]
    fn took(&mut self, latency_us: u64) {
        if let Some(latency) = &mut self.latency {
            // `saturating_record` would not let it grow.
            latency.record(latency_us.min(MAX_US)).expect("it grows with the range seen");
        }
    }
}

/// A row for each request of the catalog.
pub(crate) struct Routes(Vec<Counts>);

impl Routes {
    pub(crate) fn new(requests: usize, keeps_latencies: bool) -> Self {
        let latency = || {
            let mut histogram = Hdr::new(ROUTE_DIGITS).expect("two digits are within the limits");
            histogram.auto(true);
            histogram
        };
        let row = |_| Counts { latency: keeps_latencies.then(latency), ..Counts::default() };
        Self((0..requests).map(row).collect())
    }

    #[inline]
    pub(crate) fn sent(&mut self, request: u32, phase: Phase) {
        self.0[request as usize].sent += u64::from(phase == Phase::Measure);
    }

    #[inline]
    pub(crate) fn completed(&mut self, request: u32, phase: Phase, latency_us: u64) {
        let row = &mut self.0[request as usize];
        row.completed_in_all += 1;
        if phase == Phase::Measure {
            row.completed += 1;
            row.took(latency_us);
        }
    }

    pub(crate) fn failed(&mut self, request: u32, phase: Phase) {
        self.0[request as usize].failed += u64::from(phase == Phase::Measure);
    }

    /// It got no answer, and has waited for this long.
    pub(crate) fn waited(&mut self, request: u32, phase: Phase, waited_us: u64) {
        if phase == Phase::Measure {
            self.0[request as usize].took(waited_us);
        }
    }

    pub(crate) fn unexpected(&mut self, request: u32, phase: Phase) {
        self.0[request as usize].unexpected += u64::from(phase == Phase::Measure);
    }

    /// The rows by route; requests that share host and path are added up.
    pub(crate) fn reports(&self, catalog: &Catalog) -> Vec<RouteReport> {
        let sums = by_label(catalog.labels(), self.0.iter().cloned(), add);
        sums.into_iter().map(|(label, row)| report(label, &row)).collect()
    }
}

/// Adds up what requests with the same label gave.
fn by_label<'a, T: Default>(
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

fn add(sum: &mut Counts, row: Counts) {
    sum.sent += row.sent;
    sum.completed += row.completed;
    sum.failed += row.failed;
    sum.unexpected += row.unexpected;
    sum.completed_in_all += row.completed_in_all;
    match (&mut sum.latency, row.latency) {
        (Some(sum), Some(row)) => sum.add(row).expect("both resize themselves"),
        (sum, row) => *sum = row,
    }
}

fn report(label: &str, row: &Counts) -> RouteReport {
    RouteReport {
        route: label.to_owned(),
        sent: row.sent,
        completed: row.completed,
        failed: row.failed,
        unexpected: row.unexpected,
        completed_in_all: row.completed_in_all,
        latency: row.latency.as_ref().map_or_else(String::new, encoder::encode),
        has_waited: row.latency.as_ref().is_some_and(|latency| !latency.is_empty()),
    }
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
