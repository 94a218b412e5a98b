//! From one stage of the load to the next.

use seatrial_net::{Driver, process};

use super::{Stage, Worker};
use crate::active::Active;
use crate::control::Parent;
use crate::frame::{Done, Message};
use crate::recorder::Recorder;
use crate::routes::RouteReport;
use crate::schedule::{Schedule, Slot};
use crate::spec::LoopKind;

impl<D: Driver> Worker<D> {
    /// A schedule starts once: a parent that does not know whether it was heard says it again.
    pub(super) fn go(&mut self, parent: &mut impl Parent, at_ns: u64) {
        let worker = self.spec.worker;
        parent.report(Message::Going { worker, at_ns, heard_ns: self.driver.now_ns() });
        if !matches!(self.stage, Stage::Ramp { .. }) {
            return;
        }
        if self.runs_first {
            process::run_first();
        }
        let schedule = Schedule::new(&self.spec, at_ns);
        self.recorder.set_window(schedule.window());
        self.stage = Stage::Run(schedule);
        // From here on the frames of all workers end at the same moments, one of them where the window begins.
        self.frame_anchor_ns = at_ns + self.spec.warmup_ns;
        self.set_next_frame(at_ns);
    }

    pub(super) fn stop(&mut self) {
        let now_ns = self.driver.now_ns();
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Run(mut schedule) => {
                schedule.cut(now_ns);
                self.recorder.set_window(schedule.window());
                self.stage = Stage::Drain(schedule, now_ns + self.spec.drain_ns);
                self.set_next_frame(now_ns);
            }
            Stage::Drain(schedule, until_ns) => self.stage = Stage::Drain(schedule, until_ns.min(now_ns)),
            Stage::Ramp { .. } | Stage::Done => {
                let mut schedule = Schedule::new(&self.spec, now_ns);
                schedule.cut(now_ns);
                self.stage = Stage::Drain(schedule, now_ns);
            }
        }
    }

    pub(super) fn advance_stage(&mut self, parent: &mut impl Parent, now_ns: u64) {
        match &mut self.stage {
            Stage::Ramp { is_ready } => {
                if !*is_ready && self.held.is_complete() && self.active.is_complete() {
                    *is_ready = true;
                    self.send_frame(parent, now_ns);
                    parent.report(Message::Ready { worker: self.spec.worker });
                }
            }
            Stage::Run(schedule) => {
                let end_ns = schedule.end_ns();
                match self.spec.loop_kind {
                    LoopKind::Open => {
                        Self::send_due(
                            schedule,
                            &mut self.active,
                            &mut self.driver,
                            &mut self.recorder,
                            now_ns,
                        );
                    }
                    LoopKind::Closed => self.send_on_all_free(now_ns),
                }
                // Not before, even where no slot is left: idle connections are held to the end of the window. Slots that
                // found no free connection are left to the drain.
                if now_ns >= end_ns {
                    self.end_schedule(now_ns);
                }
            }
            Stage::Drain(schedule, until_ns) => {
                let until_ns = *until_ns;
                let is_open_loop = self.spec.loop_kind == LoopKind::Open;
                if is_open_loop {
                    Self::send_due(schedule, &mut self.active, &mut self.driver, &mut self.recorder, now_ns);
                }
                let is_empty = self.active.in_flight() == 0 && (!is_open_loop || schedule.next().is_none());
                if is_empty || now_ns >= until_ns {
                    self.finish(parent);
                }
            }
            Stage::Done => {}
        }
    }

    #[inline]
    pub(super) fn send_due(
        schedule: &mut Schedule,
        active: &mut Active,
        driver: &mut D,
        recorder: &mut Recorder,
        now_ns: u64,
    ) {
        active.begin_turn(now_ns);
        while !active.has_sent_enough()
            && let Some(slot) = schedule.next()
        {
            if slot.intended_ns > now_ns || !active.send(driver, recorder, slot) {
                return;
            }
            schedule.advance();
        }
    }

    pub(super) fn send_on_all_free(&mut self, now_ns: u64) {
        let Stage::Run(schedule) = &self.stage else { return };
        if now_ns < schedule.start_ns() || now_ns >= schedule.end_ns() {
            return;
        }
        self.napping.observe(now_ns, self.closed_loop_slots);
        let phase = schedule.phase_at(now_ns);
        self.active.begin_turn(now_ns);
        while self.active.has_free() && !self.active.has_sent_enough() {
            let slot = Slot { intended_ns: now_ns, phase, number: self.closed_loop_slots };
            self.closed_loop_slots += u64::from(self.active.send(&mut self.driver, &mut self.recorder, slot));
        }
    }

    pub(super) fn end_schedule(&mut self, now_ns: u64) {
        if let Stage::Run(schedule) = std::mem::replace(&mut self.stage, Stage::Done) {
            self.stage = Stage::Drain(schedule, now_ns + self.spec.drain_ns);
        }
    }

    /// Accounts for everything that was intended, and says goodbye.
    pub(super) fn finish(&mut self, parent: &mut impl Parent) {
        let Stage::Drain(mut schedule, _) = std::mem::replace(&mut self.stage, Stage::Done) else { return };
        let now_ns = self.driver.now_ns();
        self.active.finish(&mut self.driver, &mut self.recorder);
        self.held.finish(&mut self.driver, &mut self.recorder);
        while self.spec.loop_kind == LoopKind::Open
            && let Some(slot) = schedule.next()
        {
            self.recorder.unsent(slot, self.active.catalog().pick(slot.number), now_ns);
            schedule.advance();
        }
        let frame = self.frame(now_ns, true);
        let pss_bytes = process::pss_bytes();
        parent.report(Message::Frame(frame));
        parent.report(Message::Done(Done {
            worker: self.spec.worker,
            measured_ns: schedule.measured_ns(),
            clock_steps: self.driver.clock_steps(),
            routes: self.routes(),
            unexpected: self.active.take_kept(),
            pss_bytes,
        }));
    }

    /// The first worker has a row for each route, so that all are known; of a hundred thousand most have sent nothing to most.
    fn routes(&self) -> Vec<RouteReport> {
        let rows = self.recorder.routes().reports(self.active.catalog());
        rows.into_iter().filter(|row| self.spec.worker == 0 || row.has_counted()).collect()
    }
}
