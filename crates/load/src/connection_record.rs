//! What is counted of connections, whatever they carry: how they were opened, how they ended, and what idle ones did.

use seatrial_net::tls::Handshake;

use crate::failure::{Failure, FailureCounts};
use crate::frame::Frame;
use crate::handshakes::Handshakes;
use crate::histogram::Histogram;

/// Classes of status by their first digit, as results show them.
const CLASSES: [&str; 7] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// What has become of connection attempts, since the worker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Openings {
    pub(crate) established: u64,
    /// A segment of these was sent again: established later than they could have been, or given up.
    pub(crate) lost: u64,
}

/// Of all connections of a worker, since the last frame.
#[derive(Default)]
pub(crate) struct ConnectionRecord {
    connect: Histogram,
    handshakes: Handshakes,
    errors: FailureCounts,
    opened: u64,
    reconnected: u64,
    churned: u64,
    closed_by_peer: u64,
    reset_by_peer: u64,
    syn_retransmissions: u64,
    held_requests: u64,
    held_unanswered: u64,
    held_answers: [u64; CLASSES.len()],
    /// Most workers need none.
    held_lifetime: Option<Box<Histogram>>,
    openings: Openings,
}

impl ConnectionRecord {
    /// Records the handshake that is part of opening a connection; returns the other part, the connect time.
    pub(crate) fn handshake(&mut self, opening_ns: u64, handshake: Option<Handshake>) -> u64 {
        let Some(handshake) = handshake else { return opening_ns };
        self.handshakes.record(handshake);
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

    /// An idle connection has sent a whole request; the one before it may have had no answer by then.
    pub(crate) fn held_request(&mut self, is_last_unanswered: bool) {
        self.held_requests += 1;
        self.held_unanswered += u64::from(is_last_unanswered);
    }

    /// An idle connection has ended before the answer to its request.
    pub(crate) fn held_unanswered(&mut self) {
        self.held_unanswered += 1;
    }

    /// An idle connection has an answer, whose status begins with this digit.
    pub(crate) fn held_answer(&mut self, class: u8) {
        self.held_answers[usize::from(class).min(CLASSES.len() - 1)] += 1;
    }

    /// The peer has ended an idle connection that had been established for so long.
    pub(crate) fn held_lived(&mut self, lived_ns: u64) {
        self.held_lifetime.get_or_insert_default().record_ns(lived_ns);
    }

    pub(crate) fn failure(&mut self, failure: Failure) {
        self.errors.add(failure);
    }

    /// Moves the interval into `frame`.
    pub(crate) fn drain_into(&mut self, frame: &mut Frame) {
        frame.opened = std::mem::take(&mut self.opened);
        frame.reconnected = std::mem::take(&mut self.reconnected);
        frame.churned = std::mem::take(&mut self.churned);
        frame.closed_by_peer = std::mem::take(&mut self.closed_by_peer);
        frame.reset_by_peer = std::mem::take(&mut self.reset_by_peer);
        frame.syn_retransmissions = std::mem::take(&mut self.syn_retransmissions);
        frame.held_requests = std::mem::take(&mut self.held_requests);
        frame.held_unanswered = std::mem::take(&mut self.held_unanswered);
        let answers = CLASSES.into_iter().zip(std::mem::take(&mut self.held_answers));
        frame.held_answers = answers.filter(|(_, count)| *count > 0).collect();
        frame.held_lifetime = self.held_lifetime.as_mut().map_or_else(String::new, |one| one.take_encoded());
        frame.errors = self.errors.take();
        frame.connect = self.connect.take_encoded();
        self.handshakes.drain_into(frame);
    }
}
