//! How late a request leaves, by the fault of the generator alone.
//!
//! A request may leave from its intended time on, or from when a connection is free. Where the generator was away for a
//! while, as many requests as there are free connections leave late, and the others wait for those: that wait is not the
//! system's either. So each connection knows how much earlier it would have been free, had the requests before
//! left in time (Lindley's recursion with the service times that were measured), and the next one inherits it.

use super::Active;

/// What any client takes from an answer to the next request. It is not inherited: over a thousand answers of an
/// overloaded system it would add up to a delay that no client could have avoided.
const HAND_OVER_NS: u64 = 200_000;
/// A wait of which less than one part in a hundred was inherited is the system's.
const PARTS: u64 = 100;
/// Nothing that the loop does between a send and its next look at the clock takes as long as this.
const AWAY_NS: u64 = 1_000_000;

impl Active {
    /// The loop is about to look at events, and was away for so long since it last did.
    #[inline]
    pub(crate) fn was_away(&mut self, away_ns: u64) {
        self.away_ns = if away_ns > AWAY_NS { away_ns } else { 0 };
    }

    /// What was seen on this connection is up to so long ago, and it goes on only now: by our fault, if we were away.
    pub(super) fn seen_late(&mut self, index: u32, since_ns: u64) {
        self.owe(index, self.away_ns.min(self.awake_ns.saturating_sub(since_ns)));
    }

    /// The clock is looked at. Where the program stood still since the last send, that one may have left only now, and
    /// what looks like its service time is ours.
    #[inline]
    pub(crate) fn look_back(&mut self, now_ns: u64) {
        if let Some((index, sent_ns)) = self.last_sent.take() {
            let away_ns = now_ns.saturating_sub(sent_ns);
            if away_ns > AWAY_NS {
                self.owe(index, away_ns);
            }
        }
    }

    pub(super) fn owe(&mut self, index: u32, ns: u64) {
        let late_ns = &mut self.connections[index as usize].late_ns;
        *late_ns = (*late_ns).max(ns);
    }

    /// How late the request that is about to leave on this connection is; the connection's own debt is brought up to date.
    #[inline]
    pub(super) fn lateness_ns(&mut self, index: u32, intended_ns: u64, sent_ns: u64) -> u64 {
        let connection = &mut self.connections[index as usize];
        // Waiting for a free connection is the system's slowness. Only what comes after it is ours.
        let own_ns = sent_ns.saturating_sub(intended_ns.max(self.available_since_ns));
        if connection.late_ns == 0 && own_ns <= HAND_OVER_NS {
            return own_ns;
        }
        let could_ns = intended_ns.max(connection.since_ns.saturating_sub(connection.late_ns));
        let whole_ns = sent_ns.saturating_sub(could_ns).max(own_ns);
        connection.late_ns = if own_ns > HAND_OVER_NS { whole_ns } else { connection.late_ns.min(whole_ns) };
        let is_worth_it = (whole_ns - own_ns) * PARTS > sent_ns.saturating_sub(intended_ns);
        if is_worth_it { whole_ns } else { own_ns }
    }
}
