//! What a worker counts and measures between two frames. Everything is allocated before the load.

use crate::failure::{Failure, FailureCounts};
use crate::frame::{Frame, PhasePart};
use crate::histogram::Histogram;
use crate::schedule::{Phase, Slot};

/// Status codes have three digits; what is beyond 599 is counted as 599 + 1.
const STATUS_LIMIT: usize = 601;

/// The requests of one phase.
struct PhaseRecord {
    sent: u64,
    completed: u64,
    timed_out: u64,
    failed: u64,
    unsent: u64,
    in_flight: u64,
    bytes_sent: u64,
    bytes_received: u64,
    status: Box<[u64; STATUS_LIMIT]>,
    latency: Histogram,
    service_time: Histogram,
    lateness: Histogram,
}

impl PhaseRecord {
    fn new() -> Self {
        Self {
            sent: 0,
            completed: 0,
            timed_out: 0,
            failed: 0,
            unsent: 0,
            in_flight: 0,
            bytes_sent: 0,
            bytes_received: 0,
            status: Box::new([0; STATUS_LIMIT]),
            latency: Histogram::new(),
            service_time: Histogram::new(),
            lateness: Histogram::new(),
        }
    }

    fn take(&mut self, phase: &'static str) -> Option<PhasePart> {
        let accounted =
            self.sent + self.completed + self.timed_out + self.failed + self.unsent + self.in_flight;
        if accounted + self.bytes_received == 0 {
            return None;
        }
        let part = PhasePart {
            phase,
            sent: std::mem::take(&mut self.sent),
            completed: std::mem::take(&mut self.completed),
            timed_out: std::mem::take(&mut self.timed_out),
            failed: std::mem::take(&mut self.failed),
            unsent: std::mem::take(&mut self.unsent),
            in_flight: std::mem::take(&mut self.in_flight),
            bytes_sent: std::mem::take(&mut self.bytes_sent),
            bytes_received: std::mem::take(&mut self.bytes_received),
            status: self.take_status(),
            latency: self.latency.take_encoded(),
            service_time: self.service_time.take_encoded(),
            lateness: self.lateness.take_encoded(),
        };
        Some(part)
    }

    fn take_status(&mut self) -> Vec<(u16, u64)> {
        let seen = self.status.iter().enumerate().filter(|(_, count)| **count > 0);
        let seen = seen.map(|(code, count)| (code as u16, *count)).collect();
        self.status.fill(0);
        seen
    }
}

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
    pub(crate) sent_ns: u64,
}

/// The counters and histograms since the last frame.
pub(crate) struct Recorder {
    warm_up: PhaseRecord,
    measure: PhaseRecord,
    connect: Histogram,
    errors: FailureCounts,
    opened: u64,
    reconnected: u64,
    closed_by_peer: u64,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            warm_up: PhaseRecord::new(),
            measure: PhaseRecord::new(),
            connect: Histogram::new(),
            errors: FailureCounts::default(),
            opened: 0,
            reconnected: 0,
            closed_by_peer: 0,
        }
    }

    #[inline]
    fn phase(&mut self, phase: Phase) -> &mut PhaseRecord {
        match phase {
            Phase::WarmUp => &mut self.warm_up,
            Phase::Measure => &mut self.measure,
        }
    }

    /// `could_ns` is when the request could have left: its intended time, or later where every connection was busy then.
    #[inline]
    pub(crate) fn sent(&mut self, sent: &Sent, bytes: usize, could_ns: Option<u64>) {
        let record = self.phase(sent.slot.phase);
        record.sent += 1;
        record.bytes_sent += bytes as u64;
        if let Some(could_ns) = could_ns {
            record.lateness.record_ns(sent.sent_ns.saturating_sub(could_ns));
        }
    }

    #[inline]
    pub(crate) fn received(&mut self, phase: Phase, bytes: usize) {
        self.phase(phase).bytes_received += bytes as u64;
    }

    #[inline]
    pub(crate) fn completed(&mut self, sent: &Sent, status: u16, at_ns: u64) {
        let record = self.phase(sent.slot.phase);
        record.completed += 1;
        record.status[usize::from(status).min(STATUS_LIMIT - 1)] += 1;
        record.latency.record_ns(at_ns.saturating_sub(sent.slot.intended_ns));
        record.service_time.record_ns(at_ns.saturating_sub(sent.sent_ns));
    }

    /// Records an at-least sample: nothing that was intended is left out of the histograms.
    pub(crate) fn ended(&mut self, sent: &Sent, ending: Ending, now_ns: u64) {
        let record = self.phase(sent.slot.phase);
        match ending {
            Ending::TimedOut => record.timed_out += 1,
            Ending::Failed => record.failed += 1,
            Ending::InFlight => record.in_flight += 1,
        }
        record.latency.record_ns(now_ns.saturating_sub(sent.slot.intended_ns));
        record.service_time.record_ns(now_ns.saturating_sub(sent.sent_ns));
    }

    /// Records a request that never found a free connection.
    pub(crate) fn unsent(&mut self, slot: Slot, now_ns: u64) {
        let record = self.phase(slot.phase);
        record.unsent += 1;
        record.latency.record_ns(now_ns.saturating_sub(slot.intended_ns));
    }

    pub(crate) fn opened(&mut self, connect_ns: u64) {
        self.opened += 1;
        self.connect.record_ns(connect_ns);
    }

    pub(crate) fn reconnected(&mut self) {
        self.reconnected += 1;
    }

    pub(crate) fn closed_by_peer(&mut self) {
        self.closed_by_peer += 1;
    }

    pub(crate) fn failure(&mut self, failure: Failure) {
        self.errors.add(failure);
    }

    /// Moves everything into `frame`, whose gauges the caller has set.
    pub(crate) fn drain_into(&mut self, frame: &mut Frame) {
        frame.opened = std::mem::take(&mut self.opened);
        frame.reconnected = std::mem::take(&mut self.reconnected);
        frame.closed_by_peer = std::mem::take(&mut self.closed_by_peer);
        frame.errors = self.errors.take();
        frame.connect = self.connect.take_encoded();
        frame.parts =
            [self.warm_up.take("warmup"), self.measure.take("measure")].into_iter().flatten().collect();
    }
}
