//! What a worker counts and measures between two frames. Everything is allocated before the load.

use std::ops::Range;

use crate::connection_record::ConnectionRecord;
use crate::expect::Unexpected;
use crate::failure::Failure;
use crate::frame::Frame;
use crate::histogram::Histogram;
use crate::phase_record::PhaseRecord;
use crate::routes::Routes;
use crate::schedule::{Phase, Slot};

/// How a request ended that did not get its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It took longer than the timeout: its latency is at least this.
    TimedOut,
    /// The connection failed under it.
    Failed,
    /// The load ended first.
    InFlight,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) slot: Slot,
    pub(crate) at_ns: u64,
    pub(crate) request: u32,
}

/// The counters and histograms since the last frame.
pub(crate) struct Recorder {
    /// A record of each phase, of the interval that is being counted.
    records: [PhaseRecord; Phase::COUNT],
    /// The same of the interval after it: what happened since it began is seen before the one before it is reported.
    next_records: [PhaseRecord; Phase::COUNT],
    /// When the interval that is being counted ends.
    boundary_ns: u64,
    pub(crate) connections: ConnectionRecord,
    routes: Routes,
    window: Range<u64>,
    receive_wait: Histogram,
    receive_wait_ns_max: u64,
}

impl Recorder {
    pub(crate) fn new(requests: usize, route_histograms: bool) -> Self {
        Self {
            records: std::array::from_fn(|_| PhaseRecord::new()),
            next_records: std::array::from_fn(|_| PhaseRecord::new()),
            boundary_ns: u64::MAX,
            connections: ConnectionRecord::default(),
            routes: Routes::new(requests, route_histograms),
            window: u64::MAX..u64::MAX,
            receive_wait: Histogram::new(),
            receive_wait_ns_max: 0,
        }
    }

    /// The record of what is seen now.
    #[inline]
    fn phase(&mut self, phase: Phase) -> &mut PhaseRecord {
        &mut self.records[phase as usize]
    }

    /// The record of what happened at `at_ns`: that of the next interval from its first nanosecond on.
    #[inline]
    fn phase_at(&mut self, phase: Phase, at_ns: u64) -> &mut PhaseRecord {
        let records = if at_ns < self.boundary_ns { &mut self.records } else { &mut self.next_records };
        &mut records[phase as usize]
    }

    /// `lateness_ns` is what the generator's own fault was; a closed loop has no schedule to be late against.
    #[inline]
    pub(crate) fn sent(&mut self, sent: &Sent, lateness_ns: Option<u64>) {
        self.routes.sent(sent.request, sent.slot.phase);
        let record = self.phase_at(sent.slot.phase, sent.slot.intended_ns);
        record.sent += 1;
        if let Some(lateness_ns) = lateness_ns {
            record.lateness.record_ns(lateness_ns);
        }
    }

    /// Sockets have taken bytes of requests.
    #[inline]
    pub(crate) fn wrote(&mut self, phase: Phase, bytes: u32) {
        self.phase(phase).bytes_sent += u64::from(bytes);
    }

    #[inline]
    pub(crate) fn received(&mut self, phase: Phase, bytes: usize, at_ns: u64) {
        let is_in_window = self.window.contains(&at_ns);
        let record = self.phase_at(phase, at_ns);
        record.bytes_received += bytes as u64;
        record.bytes_received_in_window += if is_in_window { bytes as u64 } else { 0 };
    }

    #[inline]
    pub(crate) fn completed(&mut self, sent: &Sent, status: u16, at_ns: u64) {
        let (is_in_window, is_late) = (self.window.contains(&at_ns), at_ns >= self.window.end);
        let record = self.phase_at(sent.slot.phase, at_ns);
        record.completed += 1;
        record.completed_in_window += u64::from(is_in_window);
        record.completed_late += u64::from(is_late);
        record.status[usize::from(status)] += 1;
        let latency_ns = at_ns.saturating_sub(sent.slot.intended_ns);
        record.latency.record_ns(latency_ns);
        record.service_time.record_ns(at_ns.saturating_sub(sent.at_ns));
        self.routes.completed(sent.request, sent.slot.phase, latency_ns / 1_000);
    }

    /// Records an answer that was not as expected; it counts as completed, too.
    pub(crate) fn unexpected(&mut self, sent: &Sent, how: Unexpected) {
        self.routes.unexpected(sent.request, sent.slot.phase);
        self.phase(sent.slot.phase).unexpected[how as usize] += 1;
    }

    /// Says how a request failed, among the errors of its phase.
    pub(crate) fn failed(&mut self, sent: &Sent, failure: Failure) {
        self.phase(sent.slot.phase).errors.add(failure);
    }

    /// Records an at-least sample: nothing that was intended is left out of the histograms.
    pub(crate) fn ended(&mut self, sent: &Sent, ending: Ending, now_ns: u64) {
        if ending != Ending::InFlight {
            self.routes.failed(sent.request, sent.slot.phase);
        }
        let record = self.phase(sent.slot.phase);
        match ending {
            Ending::TimedOut => record.timed_out += 1,
            Ending::Failed => record.failed += 1,
            Ending::InFlight => record.in_flight += 1,
        }
        let waited_ns = now_ns.saturating_sub(sent.slot.intended_ns);
        record.latency.record_ns(waited_ns);
        record.service_time.record_ns(now_ns.saturating_sub(sent.at_ns));
        self.routes.waited(sent.request, sent.slot.phase, waited_ns / 1_000);
    }

    /// Records a request that never found a free connection.
    pub(crate) fn unsent(&mut self, slot: Slot, request: u32, now_ns: u64) {
        let waited_ns = now_ns.saturating_sub(slot.intended_ns);
        let record = self.phase(slot.phase);
        record.unsent += 1;
        record.latency.record_ns(waited_ns);
        self.routes.waited(request, slot.phase, waited_ns / 1_000);
    }

    /// An answer lay in the receive queue until the loop looked.
    #[inline]
    pub(crate) fn waited(&mut self, wait_ns: u64) {
        self.receive_wait.record_ns(wait_ns);
        self.receive_wait_ns_max = self.receive_wait_ns_max.max(wait_ns);
    }

    /// Says when the measure window is: what the system answered in it is what it sustained, whichever phase asked.
    pub(crate) fn set_window(&mut self, window: Range<u64>) {
        self.window = window;
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Says when the interval ends that is being counted.
    pub(crate) fn set_boundary(&mut self, boundary_ns: u64) {
        self.boundary_ns = boundary_ns;
    }

    /// Moves the interval into `frame`, whose gauges the caller has set; with `and_the_next`, whatever came after its
    /// boundary, too.
    pub(crate) fn drain_into(&mut self, frame: &mut Frame, and_the_next: bool) {
        if and_the_next {
            for (record, next) in self.records.iter_mut().zip(&mut self.next_records) {
                record.absorb(next);
            }
        }
        self.connections.drain_into(frame);
        frame.receive_wait = self.receive_wait.take_encoded();
        frame.receive_wait_ns_max = std::mem::take(&mut self.receive_wait_ns_max);
        let taken = self.records.iter_mut().zip(Phase::NAMES).map(|(record, name)| record.take(name));
        frame.parts = taken.flatten().collect();
        std::mem::swap(&mut self.records, &mut self.next_records);
    }
}
