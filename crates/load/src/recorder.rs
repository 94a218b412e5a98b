//! What a worker counts and measures between two frames. Everything is allocated before the load.

use seatrial_net::tls::Handshake;

use crate::expect::Unexpected;
use crate::failure::{Failure, FailureCounts};
use crate::frame::{Frame, PhasePart};
use crate::histogram::Histogram;
use crate::routes::Routes;
use crate::schedule::{Phase, Slot};
use crate::shaken::Shaken;

/// Status codes have three digits.
const STATUS_LIMIT: usize = 1_000;

/// The requests of one phase.
struct PhaseRecord {
    sent: u64,
    completed: u64,
    completed_late: u64,
    timed_out: u64,
    failed: u64,
    unsent: u64,
    in_flight: u64,
    bytes_sent: u64,
    bytes_received: u64,
    status: Box<[u64; STATUS_LIMIT]>,
    unexpected: [u64; Unexpected::NAMES.len()],
    errors: FailureCounts,
    latency: Histogram,
    service_time: Histogram,
    lateness: Histogram,
}

impl PhaseRecord {
    fn new() -> Self {
        Self {
            sent: 0,
            completed: 0,
            completed_late: 0,
            timed_out: 0,
            failed: 0,
            unsent: 0,
            in_flight: 0,
            bytes_sent: 0,
            bytes_received: 0,
            status: Box::new([0; STATUS_LIMIT]),
            unexpected: [0; Unexpected::NAMES.len()],
            errors: FailureCounts::default(),
            latency: Histogram::new(),
            service_time: Histogram::new(),
            lateness: Histogram::new(),
        }
    }

    fn take(&mut self, phase: &'static str) -> Option<PhasePart> {
        let accounted =
            self.sent + self.completed + self.timed_out + self.failed + self.unsent + self.in_flight;
        if accounted + self.bytes_sent + self.bytes_received == 0 {
            return None;
        }
        let part = PhasePart {
            phase,
            sent: std::mem::take(&mut self.sent),
            completed: std::mem::take(&mut self.completed),
            completed_late: std::mem::take(&mut self.completed_late),
            timed_out: std::mem::take(&mut self.timed_out),
            failed: std::mem::take(&mut self.failed),
            unsent: std::mem::take(&mut self.unsent),
            in_flight: std::mem::take(&mut self.in_flight),
            bytes_sent: std::mem::take(&mut self.bytes_sent),
            bytes_received: std::mem::take(&mut self.bytes_received),
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

/// What has become of connection attempts, since the worker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Openings {
    pub(crate) established: u64,
    /// A segment of these was sent again: established later than they could have been, or given up.
    pub(crate) lost: u64,
}

/// The counters and histograms since the last frame.
pub(crate) struct Recorder {
    warm_up: PhaseRecord,
    measure: PhaseRecord,
    connect: Histogram,
    shaken: Shaken,
    errors: FailureCounts,
    routes: Routes,
    /// When the measure window ends; an answer after it belongs to no rate that was achieved in it.
    window_end_ns: u64,
    opened: u64,
    reconnected: u64,
    churned: u64,
    closed_by_peer: u64,
    reset_by_peer: u64,
    syn_retransmissions: u64,
    held_requests: u64,
    openings: Openings,
    receive_wait: Histogram,
    receive_wait_ns_max: u64,
}

impl Recorder {
    pub(crate) fn new(requests: usize, route_histograms: bool) -> Self {
        Self {
            warm_up: PhaseRecord::new(),
            measure: PhaseRecord::new(),
            connect: Histogram::new(),
            shaken: Shaken::default(),
            errors: FailureCounts::default(),
            routes: Routes::new(requests, route_histograms),
            window_end_ns: u64::MAX,
            opened: 0,
            reconnected: 0,
            churned: 0,
            closed_by_peer: 0,
            reset_by_peer: 0,
            syn_retransmissions: 0,
            held_requests: 0,
            openings: Openings::default(),
            receive_wait: Histogram::new(),
            receive_wait_ns_max: 0,
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
    pub(crate) fn sent(&mut self, sent: &Sent, could_ns: Option<u64>) {
        self.routes.sent(sent.request, sent.slot.phase);
        let record = self.phase(sent.slot.phase);
        record.sent += 1;
        if let Some(could_ns) = could_ns {
            record.lateness.record_ns(sent.at_ns.saturating_sub(could_ns));
        }
    }

    /// Sockets have taken bytes of requests.
    #[inline]
    pub(crate) fn wrote(&mut self, phase: Phase, bytes: u32) {
        self.phase(phase).bytes_sent += u64::from(bytes);
    }

    #[inline]
    pub(crate) fn received(&mut self, phase: Phase, bytes: usize) {
        self.phase(phase).bytes_received += bytes as u64;
    }

    #[inline]
    pub(crate) fn completed(&mut self, sent: &Sent, status: u16, at_ns: u64) {
        let is_late = at_ns > self.window_end_ns;
        let record = self.phase(sent.slot.phase);
        record.completed += 1;
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

    /// Records the handshake that is part of opening a connection; returns the other part, the connect time.
    pub(crate) fn shaken(&mut self, opening_ns: u64, handshake: Option<Handshake>) -> u64 {
        let Some(handshake) = handshake else { return opening_ns };
        self.shaken.record(handshake);
        opening_ns.saturating_sub(handshake.took_ns)
    }

    /// `retransmissions`: segments of the connection's handshake that were sent again.
    pub(crate) fn opened(&mut self, connect_ns: u64, retransmissions: u32) {
        self.opened += 1;
        self.openings.established += 1;
        self.sent_again(retransmissions);
        self.connect.record_ns(connect_ns);
    }

    /// An attempt came to nothing.
    pub(crate) fn given_up(&mut self, failure: Failure, retransmissions: u32) {
        self.failure(failure);
        self.sent_again(retransmissions);
    }

    /// Segments of an attempt's handshake, whatever has become of it.
    pub(crate) fn sent_again(&mut self, retransmissions: u32) {
        self.openings.lost += u64::from(retransmissions > 0);
        self.syn_retransmissions += u64::from(retransmissions);
    }

    /// What has become of all attempts so far.
    pub(crate) fn openings(&self) -> Openings {
        self.openings
    }

    pub(crate) fn reconnected(&mut self) {
        self.reconnected += 1;
    }

    /// The load closes a connection because it has served its time.
    pub(crate) fn churned(&mut self) {
        self.churned += 1;
    }

    /// The peer has ended a connection on which nothing was asked, in order or by a reset.
    pub(crate) fn ended_by_peer(&mut self, was_reset: bool) {
        if was_reset {
            self.reset_by_peer += 1;
        } else {
            self.closed_by_peer += 1;
        }
    }

    /// An idle connection has sent a whole request.
    pub(crate) fn held_request(&mut self) {
        self.held_requests += 1;
    }

    /// An answer lay in the receive queue until the loop looked.
    #[inline]
    pub(crate) fn waited(&mut self, wait_ns: u64) {
        self.receive_wait.record_ns(wait_ns);
        self.receive_wait_ns_max = self.receive_wait_ns_max.max(wait_ns);
    }

    /// Says when the measure window ends.
    pub(crate) fn set_window_end(&mut self, window_end_ns: u64) {
        self.window_end_ns = window_end_ns;
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) fn failure(&mut self, failure: Failure) {
        self.errors.add(failure);
    }

    /// Moves everything into `frame`, whose gauges the caller has set.
    pub(crate) fn drain_into(&mut self, frame: &mut Frame) {
        frame.opened = std::mem::take(&mut self.opened);
        frame.reconnected = std::mem::take(&mut self.reconnected);
        frame.churned = std::mem::take(&mut self.churned);
        frame.closed_by_peer = std::mem::take(&mut self.closed_by_peer);
        frame.reset_by_peer = std::mem::take(&mut self.reset_by_peer);
        frame.syn_retransmissions = std::mem::take(&mut self.syn_retransmissions);
        frame.held_requests = std::mem::take(&mut self.held_requests);
        frame.receive_wait = self.receive_wait.take_encoded();
        frame.receive_wait_ns_max = std::mem::take(&mut self.receive_wait_ns_max);
        frame.errors = self.errors.take();
        frame.connect = self.connect.take_encoded();
        self.shaken.drain_into(frame);
        frame.parts =
            [self.warm_up.take("warmup"), self.measure.take("measure")].into_iter().flatten().collect();
    }
}
