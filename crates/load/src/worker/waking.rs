//! When the loop wakes, and for what.

use seatrial_net::{Driver, Wake};

use super::{LONGEST_WAIT_NS, Stage, Worker};
use crate::spec::LoopKind;

impl<D: Driver> Worker<D> {
    /// When to wake, and whether for events before that.
    pub(super) fn next_wake(&self, now_ns: u64) -> (u64, Wake) {
        let timeout_ns = self.spec.timeout_ns;
        let mut deadline_ns = (now_ns + LONGEST_WAIT_NS).min(self.next_frame_ns);
        let expiries = [self.active.oldest_ns(), self.held.oldest_attempt_ns()];
        for since_ns in expiries.into_iter().flatten() {
            deadline_ns = deadline_ns.min(since_ns + timeout_ns + 1);
        }
        for at_ns in [self.next_opening_ns(), self.held.next_action_ns()].into_iter().flatten() {
            deadline_ns = deadline_ns.min(at_ns);
        }
        if self.spec.spin && matches!(self.stage, Stage::Run(_)) {
            return (now_ns, Wake::OnEvent);
        }
        if self.active.has_unread() || self.held.has_unread() {
            return (now_ns, Wake::OnEvent);
        }
        let (stage_deadline_ns, wake) = self.stage_wake(now_ns);
        (deadline_ns.min(stage_deadline_ns), wake)
    }

    pub(super) fn stage_wake(&self, now_ns: u64) -> (u64, Wake) {
        let is_opening = self.active.is_connecting() || self.held.oldest_attempt_ns().is_some();
        match &self.stage {
            Stage::Run(schedule) if self.spec.loop_kind == LoopKind::Open => {
                let Some(next_ns) =
                    schedule.next().map(|slot| slot.intended_ns).filter(|_| self.active.has_free())
                else {
                    // The next answer, not the next slot, is what can be acted upon.
                    return (schedule.end_ns(), Wake::OnEvent);
                };
                self.slot_wake(now_ns, next_ns, is_opening)
            }
            Stage::Run(schedule) if now_ns < schedule.start_ns() => (schedule.start_ns(), Wake::OnEvent),
            Stage::Run(schedule) => {
                // Those that had no turn to send are next.
                if self.active.has_free() {
                    return (now_ns, Wake::OnEvent);
                }
                let may_nap = self.spec.resolution_ns > 0 && !is_opening && self.active.may_wait();
                if may_nap && self.napping.wants_nap(self.active.in_flight()) {
                    (schedule.end_ns().min(now_ns + self.spec.resolution_ns), Wake::AtDeadline)
                } else {
                    (schedule.end_ns(), Wake::OnEvent)
                }
            }
            Stage::Drain(schedule, until_ns) => {
                let next_ns = schedule.next().filter(|_| self.active.has_free()).map(|slot| slot.intended_ns);
                (next_ns.map_or(*until_ns, |next_ns| next_ns.min(*until_ns)), Wake::OnEvent)
            }
            Stage::Ramp { .. } | Stage::Done => (u64::MAX, Wake::OnEvent),
        }
    }
    /// Towards the next slot. The loop sleeps through answers for one step of the grid at most, and only where nobody
    /// waits for it to read or to write: what it sleeps through must neither be measured nor hold the server back.
    fn slot_wake(&self, now_ns: u64, next_ns: u64, is_opening: bool) -> (u64, Wake) {
        let step_ns = next_ns.saturating_sub(self.spec.resolution_ns);
        if self.spec.resolution_ns == 0 || is_opening || !self.active.may_wait() {
            (next_ns, Wake::OnEvent)
        } else if now_ns >= step_ns || self.active.in_flight() == 0 && self.held.may_wait() {
            (next_ns, Wake::AtDeadline)
        } else {
            (step_ns, Wake::OnEvent)
        }
    }
}
