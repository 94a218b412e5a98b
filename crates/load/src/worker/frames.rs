//! What is reported of the load while it runs.

use seatrial_net::{Driver, process};

use super::{LONGEST_RAMP_INTERVAL_NS, Stage, Worker};
use crate::control::Parent;
use crate::frame::{Frame, Message};
use crate::spec::LoopKind;

impl<D: Driver> Worker<D> {
    pub(super) fn send_frame(&mut self, parent: &mut impl Parent, now_ns: u64) {
        let before_ns = process::thread_cpu_ns();
        // A frame counts for the interval at whose end it is nearest: where the loop was away for longer, what came since
        // is in it.
        let is_late = now_ns.saturating_sub(self.next_frame_ns) > self.interval_ns() / 2;
        let frame = self.frame(now_ns, is_late);
        parent.report(Message::Frame(frame));
        self.cpu_frames_ns += process::thread_cpu_ns() - before_ns;
    }

    pub(super) fn frame(&mut self, now_ns: u64, and_the_next: bool) -> Frame {
        self.note_turn(self.driver.now_ns());
        let cpu = process::cpu_time();
        let (held_min, held_lost) = self.held.take_losses();
        let (active_min, active_missing_ns) = self.active.take_presence(now_ns);
        let mut frame = Frame {
            worker: self.spec.worker,
            seq: self.seq,
            start_ns: self.frame_start_ns,
            end_ns: now_ns,
            held: self.held.established(),
            held_min,
            held_lost,
            active: self.active.present(),
            active_min,
            active_missing_ns,
            in_flight: self.active.in_flight(),
            backlog: self.backlog(now_ns),
            stall_ns_max: std::mem::take(&mut self.stall_ns_max),
            cpu_user_ns: cpu.user_ns,
            cpu_system_ns: cpu.system_ns,
            cpu_frames_ns: self.cpu_frames_ns,
            throttled_ns: process::throttled_ns(),
            ..Frame::default()
        };
        self.recorder.drain_into(&mut frame, and_the_next);
        self.seq += 1;
        self.frame_start_ns = now_ns;
        frame
    }

    pub(super) fn set_next_frame(&mut self, at_ns: u64) {
        self.next_frame_ns = at_ns;
        self.recorder.set_boundary(at_ns);
    }

    /// How far apart frames are: while connections are opened, somebody waits for word of each of them.
    fn interval_ns(&self) -> u64 {
        match self.stage {
            Stage::Ramp { .. } => self.spec.interval_ns.min(LONGEST_RAMP_INTERVAL_NS),
            _ => self.spec.interval_ns,
        }
    }

    /// When the next frame ends: on the grid of the intervals, or with the window.
    pub(super) fn boundary_after(&self, now_ns: u64) -> u64 {
        let (anchor_ns, interval_ns) = (self.frame_anchor_ns, self.interval_ns());
        let on_grid_ns = match anchor_ns.checked_sub(now_ns + 1) {
            Some(before_ns) => anchor_ns - before_ns / interval_ns * interval_ns,
            None => anchor_ns + ((now_ns - anchor_ns) / interval_ns + 1) * interval_ns,
        };
        match &self.stage {
            Stage::Run(schedule) if now_ns < schedule.end_ns() => on_grid_ns.min(schedule.end_ns()),
            _ => on_grid_ns,
        }
    }

    /// Requests whose time has come and that found no free connection.
    fn backlog(&self, now_ns: u64) -> u64 {
        match &self.stage {
            Stage::Run(schedule) | Stage::Drain(schedule, _) if self.spec.loop_kind == LoopKind::Open => {
                schedule.due(now_ns)
            }
            _ => 0,
        }
    }
}
