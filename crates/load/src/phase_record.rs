//! The requests of one phase that were accounted for in one interval, as they are counted.

use crate::expect::Unexpected;
use crate::failure::FailureCounts;
use crate::frame::PhasePart;
use crate::histogram::Histogram;

/// Status codes have three digits.
const STATUS_LIMIT: usize = 1_000;

/// The requests of one phase.
pub(crate) struct PhaseRecord {
    pub(crate) sent: u64,
    pub(crate) completed: u64,
    pub(crate) completed_in_window: u64,
    pub(crate) completed_late: u64,
    pub(crate) timed_out: u64,
    pub(crate) failed: u64,
    pub(crate) unsent: u64,
    pub(crate) in_flight: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_received_in_window: u64,
    pub(crate) status: Box<[u64; STATUS_LIMIT]>,
    pub(crate) unexpected: [u64; Unexpected::NAMES.len()],
    pub(crate) errors: FailureCounts,
    pub(crate) latency: Histogram,
    pub(crate) service_time: Histogram,
    pub(crate) lateness: Histogram,
}

impl PhaseRecord {
    pub(crate) fn new() -> Self {
        Self {
            sent: 0,
            completed: 0,
            completed_in_window: 0,
            completed_late: 0,
            timed_out: 0,
            failed: 0,
            unsent: 0,
            in_flight: 0,
            bytes_sent: 0,
            bytes_received: 0,
            bytes_received_in_window: 0,
            status: Box::new([0; STATUS_LIMIT]),
            unexpected: [0; Unexpected::NAMES.len()],
            errors: FailureCounts::default(),
            latency: Histogram::new(),
            service_time: Histogram::new(),
            lateness: Histogram::new(),
        }
    }

    /// Adds what `other` has counted, which begins anew.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        self.sent += std::mem::take(&mut other.sent);
        self.completed += std::mem::take(&mut other.completed);
        self.completed_in_window += std::mem::take(&mut other.completed_in_window);
        self.completed_late += std::mem::take(&mut other.completed_late);
        self.timed_out += std::mem::take(&mut other.timed_out);
        self.failed += std::mem::take(&mut other.failed);
        self.unsent += std::mem::take(&mut other.unsent);
        self.in_flight += std::mem::take(&mut other.in_flight);
        self.bytes_sent += std::mem::take(&mut other.bytes_sent);
        self.bytes_received += std::mem::take(&mut other.bytes_received);
        self.bytes_received_in_window += std::mem::take(&mut other.bytes_received_in_window);
        add_each(self.status.as_mut_slice(), other.status.as_mut_slice());
        add_each(&mut self.unexpected, &mut other.unexpected);
        self.errors.absorb(&mut other.errors);
        self.latency.absorb(&mut other.latency);
        self.service_time.absorb(&mut other.service_time);
        self.lateness.absorb(&mut other.lateness);
    }

    pub(crate) fn take(&mut self, phase: &'static str) -> Option<PhasePart> {
        let accounted =
            self.sent + self.completed + self.timed_out + self.failed + self.unsent + self.in_flight;
        if accounted + self.bytes_sent + self.bytes_received == 0 {
            return None;
        }
        let part = PhasePart {
            phase,
            sent: std::mem::take(&mut self.sent),
            completed: std::mem::take(&mut self.completed),
            completed_in_window: std::mem::take(&mut self.completed_in_window),
            completed_late: std::mem::take(&mut self.completed_late),
            timed_out: std::mem::take(&mut self.timed_out),
            failed: std::mem::take(&mut self.failed),
            unsent: std::mem::take(&mut self.unsent),
            in_flight: std::mem::take(&mut self.in_flight),
            bytes_sent: std::mem::take(&mut self.bytes_sent),
            bytes_received: std::mem::take(&mut self.bytes_received),
            bytes_received_in_window: std::mem::take(&mut self.bytes_received_in_window),
            status: self.take_status(),
            unexpected: self.take_unexpected(),
            errors: self.errors.take(),
            latency: self.latency.take_encoded(),
            service_time: self.service_time.take_encoded(),
            lateness: self.lateness.take_encoded(),
        };
        Some(part)
    }

    fn take_unexpected(&mut self) -> Vec<(&'static str, u64)> {
        let counts = std::mem::take(&mut self.unexpected);
        Unexpected::NAMES.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
    }

    fn take_status(&mut self) -> Vec<(u16, u64)> {
        let seen = self.status.iter().enumerate().filter(|(_, count)| **count > 0);
        let seen = seen.map(|(code, count)| (code as u16, *count)).collect();
        self.status.fill(0);
        seen
    }
}

fn add_each(sums: &mut [u64], others: &mut [u64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += std::mem::take(other);
    }
}
