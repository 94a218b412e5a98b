//! One worker: its loop, and when it wakes.
//!
//! Waking costs more than sending, so with a resolution the loop sleeps through answers and gathers them at the next
//! tick; the kernel's stamps keep the latencies true. It wakes for every answer only where it must: no free connection
//! is left, a connection is being opened, or no resolution was asked for. A closed loop, which has no ticks, naps where
//! that costs no throughput.

use std::io;

use seatrial_net::address::RawAddress;
use seatrial_net::{Driver, Event, Wake};

use crate::active::Active;
use crate::control::{Command, Parent};
use crate::frame::Message;
use crate::held::Held;
use crate::napping::Napping;
use crate::opener::Opener;
use crate::recorder::Recorder;
use crate::schedule::Schedule;
use crate::spec::{LoopKind, WorkerSpec};
use crate::token::{CONTROL, Token};

mod frames;
mod opening;
mod stages;
mod waking;

/// However little there is to do, the loop looks for commands this often.
const LONGEST_WAIT_NS: u64 = 100_000_000;

/// Before the schedule begins frames are no further apart, however long the intervals of the series are.
const LONGEST_RAMP_INTERVAL_NS: u64 = 1_000_000_000;

/// Where the load is.
enum Stage {
    /// Connections are being opened; the schedule has not begun.
    Ramp { is_ready: bool },
    /// The schedule runs.
    Run(Schedule),
    /// The schedule is over, answers are awaited until this moment.
    Drain(Schedule, u64),
    /// Nothing is left to do.
    Done,
}

/// One worker's state.
pub struct Worker<D: Driver> {
    spec: WorkerSpec,
    driver: D,
    targets: Vec<RawAddress>,
    sources: Vec<RawAddress>,
    active: Active,
    held: Held,
    opener: Opener,
    recorder: Recorder,
    stage: Stage,
    seq: u64,
    cpu_frames_ns: u64,
    frame_start_ns: u64,
    next_frame_ns: u64,
    /// Frames end a whole number of intervals before or after this.
    frame_anchor_ns: u64,
    /// The longest turn of the loop since the last frame, without the sleep that it had asked for.
    stall_ns_max: u64,
    /// When the present turn began: the loop woke.
    awake_ns: u64,
    /// When the last wait began: what had come by then was reported, or can be read.
    asleep_ns: u64,
    closed_loop_slots: u64,
    napping: Napping,
    held_opened: usize,
    /// Whether it may go before others while the schedule runs.
    runs_first: bool,
}

impl<D: Driver> Worker<D> {
    /// A worker that has not opened anything yet.
    pub fn new(spec: WorkerSpec, driver: D) -> Self {
        let now_ns = driver.now_ns();
        let targets: Vec<_> = spec.targets.iter().copied().map(RawAddress::new).collect();
        let sources: Vec<_> = spec.sources.iter().copied().map(RawAddress::any_port).collect();
        let active = Active::new(&spec, targets.clone(), sources.clone());
        Self {
            held: Held::new(spec.held, spec.hold, now_ns),
            opener: Opener::new(spec.connect_rate_per_s, now_ns),
            recorder: Recorder::new(spec.requests.len(), spec.route_histograms),
            stage: Stage::Ramp { is_ready: false },
            seq: 0,
            cpu_frames_ns: 0,
            frame_start_ns: now_ns,
            next_frame_ns: now_ns + spec.interval_ns.min(LONGEST_RAMP_INTERVAL_NS),
            frame_anchor_ns: now_ns,
            stall_ns_max: 0,
            awake_ns: now_ns,
            asleep_ns: now_ns,
            closed_loop_slots: 0,
            napping: Napping::default(),
            held_opened: spec.first_held as usize,
            runs_first: false,
            active,
            targets,
            sources,
            spec,
            driver,
        }
    }

    /// As it is, but going before everything else on its core from the start of the schedule on.
    #[must_use]
    pub fn running_first(self, runs_first: bool) -> Self {
        Self { runs_first, ..self }
    }

    /// Closes what is still held once the load is over. To be called when no other worker is at work any more: closing
    /// a hundred thousand connections takes a second of CPU, here and in the system, that others would wait for.
    pub fn close(&mut self) {
        self.held.close_all(&mut self.driver);
    }

    /// Gives the driver back, for what only it knows.
    pub fn into_driver(self) -> D {
        self.driver
    }

    /// Runs the load to its end. Returns early only when the parent is gone.
    pub fn run(&mut self, parent: &mut impl Parent) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        let mut has_orders = true;
        let mut next_look_ns = 0;
        loop {
            // The pipe is read when it has something, and now and then: once a turn would be a system call for nothing.
            if has_orders && !self.obey(parent) {
                return Ok(());
            }
            self.step(parent);
            if matches!(self.stage, Stage::Done) {
                return Ok(());
            }
            let asleep_ns = self.driver.now_ns();
            let turn_ns = self.note_turn(asleep_ns);
            let (deadline_ns, wake) = self.next_wake(asleep_ns);
            self.asleep_ns = asleep_ns;
            self.driver.wait(&mut events, Some(deadline_ns), wake)?;
            self.awake_ns = self.driver.now_ns();
            // An answer that came while the loop was to sleep was not to be read before the sleep's end.
            let asleep_until_ns = if wake == Wake::AtDeadline { deadline_ns } else { 0 };
            self.active.wake(self.awake_ns, asleep_until_ns);
            self.held.wake(self.awake_ns);
            let overslept_ns = self.awake_ns.saturating_sub(deadline_ns.max(asleep_ns));
            self.note_stall(overslept_ns);
            self.active.was_away(turn_ns.max(overslept_ns));
            has_orders = events.iter().any(|event| event.token == CONTROL);
            self.take(&events, wake == Wake::AtDeadline);
            if self.awake_ns >= next_look_ns {
                (has_orders, next_look_ns) = (true, self.awake_ns + LONGEST_WAIT_NS);
            }
            parent.flush();
        }
    }

    /// Takes what the wait brought. After a sleep through answers a step of the grid is due: its requests leave before the
    /// answers to the last are read, which would make them late, but after connections that have ended are put aside.
    /// Those that had to wait are read before the new ones: no event reports them again.
    fn take(&mut self, events: &[Event], has_slept_through: bool) {
        if has_slept_through {
            events.iter().filter(|event| event.closed).for_each(|event| self.on_event(event));
            if let Stage::Run(schedule) = &mut self.stage
                && self.spec.loop_kind == LoopKind::Open
            {
                let now_ns = self.driver.now_ns();
                Self::send_due(schedule, &mut self.active, &mut self.driver, &mut self.recorder, now_ns);
                self.active.begin_turn(self.driver.now_ns());
            }
        }
        self.read_on();
        for event in events.iter().filter(|event| !(has_slept_through && event.closed)) {
            self.on_event(event);
        }
        self.read_on();
    }

    fn read_on(&mut self) {
        self.active.read_on(&mut self.driver, &mut self.recorder);
        self.held.read_on(&mut self.driver, &mut self.recorder);
    }

    /// Takes the parent's commands; returns whether it is still there.
    fn obey(&mut self, parent: &mut impl Parent) -> bool {
        while let Some(command) = parent.command() {
            match command {
                Command::Go { at_ns } => self.go(parent, at_ns),
                Command::Ping { id } => {
                    parent.report(Message::Pong {
                        worker: self.spec.worker,
                        id,
                        at_ns: self.driver.now_ns(),
                    });
                }
                Command::Stop => self.stop(),
                // Said too early: what is under way goes on.
                Command::Again => {}
                Command::Gone => return false,
            }
        }
        true
    }

    /// All of a turn counts, wherever it was held up: what a turn may do is bounded, and done in a few milliseconds.
    fn note_turn(&mut self, now_ns: u64) -> u64 {
        let turn_ns = now_ns.saturating_sub(self.awake_ns);
        self.note_stall(turn_ns);
        self.active.look_back(now_ns);
        turn_ns
    }

    fn note_stall(&mut self, stall_ns: u64) {
        self.stall_ns_max = self.stall_ns_max.max(stall_ns);
    }

    /// Does everything that is due.
    fn step(&mut self, parent: &mut impl Parent) {
        let now_ns = self.driver.now_ns();
        self.open_due(now_ns);
        self.held.act(&mut self.driver, self.active.catalog(), &mut self.recorder, now_ns);
        // Not what is due since: no look has come after its time.
        if let Some(before_ns) = self.asleep_ns.checked_sub(self.spec.timeout_ns) {
            self.active.expire(&mut self.driver, &mut self.recorder, before_ns);
            self.held.expire(&mut self.driver, before_ns, &mut self.recorder);
        }
        self.advance_stage(parent, now_ns);
        if now_ns >= self.next_frame_ns && !matches!(self.stage, Stage::Done) {
            self.send_frame(parent, now_ns);
            self.set_next_frame(self.boundary_after(now_ns));
        }
    }

    fn on_event(&mut self, event: &Event) {
        if event.token == CONTROL {
            return;
        }
        let token = Token::from(event.token);
        if token.is_held() {
            self.held.on_event(&mut self.driver, token, event, &mut self.recorder);
        } else {
            self.active.on_event(&mut self.driver, &mut self.recorder, token, event);
        }
    }
}
