//! What all of them need: a parent that records, servers that behave, and what must hold of every run.

use std::collections::HashMap;

use seatrial_load::control::{Command, Parent};
use seatrial_load::example;
use seatrial_load::frame::{Done, Frame, Message, PhasePart};
use seatrial_load::histogram::Histogram;
use seatrial_load::profile::Profile;
use seatrial_load::spec::{Arrival, LoopKind, WorkerSpec};
use seatrial_load::worker::Worker;
use seatrial_net::simulated::{Server, SimulatedDriver, Step, Welcome};

pub(crate) const MS: u64 = 1_000_000;

pub(crate) const S: u64 = 1_000 * MS;

pub(crate) const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

pub(crate) fn spec() -> WorkerSpec {
    WorkerSpec { active: 10, ..example::spec() }
}

/// Starts the schedule as soon as the worker is ready, or after a while without.
#[derive(Default)]
pub(crate) struct Recording {
    pub(crate) frames: Vec<Frame>,
    pub(crate) is_ready: bool,
    pub(crate) has_gone: bool,
    pub(crate) done: Option<Done>,
    pub(crate) asked: u64,
    pub(crate) go_after: u64,
    pub(crate) start_ns: u64,
}

impl Parent for Recording {
    fn command(&mut self) -> Option<Command> {
        self.asked += 1;
        if !self.has_gone && (self.is_ready || self.asked > self.go_after) {
            self.has_gone = true;
            return Some(Command::Go { at_ns: self.start_ns });
        }
        None
    }

    fn report(&mut self, message: Message) {
        match message {
            Message::Frame(frame) => self.frames.push(frame),
            Message::Ready { .. } => self.is_ready = true,
            Message::Done(done) => self.done = Some(done),
            _ => {}
        }
    }
}

impl Recording {
    pub(crate) fn parts(&self, phase: &str) -> Vec<&PhasePart> {
        self.frames.iter().flat_map(|frame| &frame.parts).filter(|part| part.phase == phase).collect()
    }

    pub(crate) fn sum(&self, field: impl Fn(&PhasePart) -> u64) -> u64 {
        self.parts("measure").into_iter().map(field).sum()
    }

    pub(crate) fn latency(&self) -> Histogram {
        self.merged(|part| &part.latency)
    }

    pub(crate) fn lateness(&self) -> Histogram {
        self.merged(|part| &part.lateness)
    }

    fn merged(&self, encoded: impl Fn(&PhasePart) -> &String) -> Histogram {
        let mut merged = Histogram::new();
        for part in self.parts("measure") {
            merged.add(&Histogram::decode(encoded(part)).expect("our own encoding"));
        }
        merged
    }

    pub(crate) fn errors(&self) -> HashMap<&'static str, u64> {
        let mut errors = HashMap::new();
        for &(name, count) in self.frames.iter().flat_map(|frame| &frame.errors) {
            *errors.entry(name).or_default() += count;
        }
        errors
    }

    /// What must hold however the server behaved.
    pub(crate) fn assert_everything_is_accounted_for(&self, spec: &WorkerSpec) {
        assert!(self.done.is_some(), "the worker has not said that it is done");
        for phase in ["warmup", "measure"] {
            let parts = self.parts(phase);
            let sum = |field: fn(&PhasePart) -> u64| parts.iter().map(|part| field(part)).sum::<u64>();
            let samples: u64 =
                parts.iter().map(|part| Histogram::decode(&part.latency).expect("ours").count()).sum();
            let served: u64 =
                parts.iter().map(|part| Histogram::decode(&part.service_time).expect("ours").count()).sum();
            let ended = sum(|part| part.completed + part.timed_out + part.failed + part.in_flight);
            assert_eq!(sum(|part| part.sent), ended, "{phase}: sent requests and their ends");
            assert_eq!(samples, sum(|part| part.sent + part.unsent), "{phase}: latency samples and intended");
            assert_eq!(served, sum(|part| part.sent), "{phase}: service times and sent");
            let statuses: u64 = parts.iter().flat_map(|part| &part.status).map(|(_, count)| count).sum();
            assert_eq!(statuses, sum(|part| part.completed), "{phase}: statuses and completed");
        }
        if spec.loop_kind == LoopKind::Open && spec.arrival == Arrival::Uniform && spec.active > 0 {
            let intended = self.sum(|part| part.sent + part.unsent);
            let profile = Profile::new(&spec.profile);
            let due_by = |ns: u64| profile.due_by(ns as f64);
            let exact = due_by(spec.warmup_ns + spec.measure_ns) - due_by(spec.warmup_ns);
            assert!((intended as f64 - exact).abs() <= 1.0, "{intended} intended of {exact}");
        }
    }
}

/// Runs a load whose schedule starts at this moment once the worker is ready, or after a while without.
pub(crate) fn run<T: Server>(spec: &WorkerSpec, server: T, start_ns: u64) -> (Recording, SimulatedDriver<T>) {
    run_over(spec, server, start_ns, |driver| driver)
}

/// As [`run`], over a network that is made special before.
pub(crate) fn run_over<T: Server>(
    spec: &WorkerSpec,
    server: T,
    start_ns: u64,
    make: impl FnOnce(SimulatedDriver<T>) -> SimulatedDriver<T>,
) -> (Recording, SimulatedDriver<T>) {
    run_patiently(spec, server, (start_ns, 300), make)
}

/// As [`run`], but waits for as long as it takes until the worker is ready.
pub(crate) fn run_when_ready<T: Server>(
    spec: &WorkerSpec,
    server: T,
    start_ns: u64,
) -> (Recording, SimulatedDriver<T>) {
    run_patiently(spec, server, (start_ns, u64::MAX), |driver| driver)
}

pub(crate) fn run_patiently<T: Server>(
    spec: &WorkerSpec,
    server: T,
    (start_ns, go_after): (u64, u64),
    make: impl FnOnce(SimulatedDriver<T>) -> SimulatedDriver<T>,
) -> (Recording, SimulatedDriver<T>) {
    let driver = make(SimulatedDriver::new(server, spec.requests[0].encode().len(), 100));
    let mut worker = Worker::new(spec.clone(), driver);
    let mut parent = Recording { go_after, start_ns, ..Recording::default() };
    worker.run(&mut parent).expect("a simulated network does not fail");
    worker.close();
    parent.assert_everything_is_accounted_for(spec);
    (parent, worker.into_driver())
}

/// A server that answers all at once: each answer takes as long, whatever else it has to do.
#[derive(Clone)]
pub(crate) struct Parallel {
    pub(crate) service_ns: u64,
}

impl Server for Parallel {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, _: u64) -> Vec<Step> {
        vec![Step::Send(self.service_ns, GOOD.to_vec())]
    }
}

/// A server with one queue: each answer takes as long, one after another.
#[derive(Clone)]
pub(crate) struct Queue {
    pub(crate) service_ns: u64,
    pub(crate) busy_until_ns: u64,
}

impl Server for Queue {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, now_ns: u64) -> Vec<Step> {
        self.busy_until_ns = self.busy_until_ns.max(now_ns) + self.service_ns;
        vec![Step::Send(self.busy_until_ns - now_ns, GOOD.to_vec())]
    }
}
