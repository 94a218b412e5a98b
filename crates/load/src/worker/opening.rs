//! Which connection is opened next, and when.

use seatrial_net::{Driver, Route};

use super::{Stage, Worker};

/// After so many connections the loop looks at what has become of them: a connection's time ends when it is looked at.
const OPENED_PER_TURN: u32 = 64;

/// Whose turn it is.
enum Opening {
    Again,
    Active,
    Held,
}

impl<D: Driver> Worker<D> {
    pub(super) fn open_due(&mut self, now_ns: u64) {
        if matches!(self.stage, Stage::Drain(..)) {
            return;
        }
        for _ in 0..OPENED_PER_TURN {
            let Some(opening) = self.due_opening(now_ns) else { return };
            if !self.opener.take(now_ns, self.recorder.connections.openings()) {
                return;
            }
            match opening {
                Opening::Again => self.active.reopen_one(&mut self.driver, &mut self.recorder),
                Opening::Active => self.active.open_one(&mut self.driver, &mut self.recorder),
                Opening::Held => {
                    let route = Route::nth(self.held_opened, &self.targets, &self.sources);
                    self.held_opened += 1;
                    self.held.open_one(&mut self.driver, route, &mut self.recorder);
                }
            }
        }
    }

    /// Connections that carry requests come first: requests wait for those that were open before, and a listener that
    /// takes no more some day has these by then. Requests are measured beside all idle ones all the same: the schedule
    /// starts when every connection is there.
    fn due_opening(&self, now_ns: u64) -> Option<Opening> {
        let is_due = |at_ns: Option<u64>| at_ns.is_some_and(|at_ns| at_ns <= now_ns);
        if is_due(self.active.next_reopening_ns()) && self.has_room_for_active() {
            Some(Opening::Again)
        } else if self.active.wants_to_open() && self.has_room_for_active() {
            Some(Opening::Active)
        } else {
            (is_due(self.held.next_opening_ns()) && self.has_room_for_held()).then_some(Opening::Held)
        }
    }

    /// When the next connection may be opened. While the load drains none is; with as many attempts under way as there
    /// may be, the end of one of them is an event.
    pub(super) fn next_opening_ns(&self) -> Option<u64> {
        if matches!(self.stage, Stage::Drain(..)) {
            return None;
        }
        let active_ns = self.active.wants_to_open().then_some(0).or_else(|| self.active.next_reopening_ns());
        let active_ns = active_ns.filter(|_| self.has_room_for_active());
        let held_ns = self.held.next_opening_ns().filter(|_| self.has_room_for_held());
        let first_ns = active_ns.into_iter().chain(held_ns).min()?;
        Some(first_ns.max(self.opener.next_ns()))
    }

    /// Idle connections take no attempt from those that carry requests.
    fn has_room_for_active(&self) -> bool {
        self.active.connecting() < self.spec.connecting_limit
    }

    fn has_room_for_held(&self) -> bool {
        self.active.connecting() + self.held.connecting() < self.spec.connecting_limit
    }
}
