//! What was answered in the window, and in which interval: each judged by a server that keeps its own times.

use seatrial_load::example::constant;
use seatrial_load::spec::{Arrival, LoopKind, WorkerSpec};
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, Parallel, Queue, Recording, S, run, spec};

const START_NS: u64 = 2 * S;

/// One queue, and when each answer left it.
struct Clocked {
    queue: Queue,
    answered_ns: Vec<u64>,
}

impl Clocked {
    fn new(service_ns: u64) -> Self {
        Self { queue: Queue { service_ns, busy_until_ns: 0 }, answered_ns: Vec::new() }
    }

    fn answered_in(&self, from_ns: u64, to_ns: u64) -> u64 {
        self.answered_ns.iter().filter(|at_ns| (from_ns..to_ns).contains(*at_ns)).count() as u64
    }
}

impl Server for Clocked {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(10_000)
    }

    fn answer(&mut self, now_ns: u64) -> Vec<Step> {
        let steps = self.queue.answer(now_ns);
        self.answered_ns.push(self.queue.busy_until_ns);
        steps
    }
}

/// Answers in the window to requests of either phase.
fn answered_in_window(seen: &Recording) -> u64 {
    let parts = seen.frames.iter().flat_map(|frame| &frame.parts);
    parts.map(|part| part.completed_in_window).sum()
}

#[test]
fn what_an_overloaded_server_sustains_does_not_depend_on_the_warm_up() {
    // 40 a second of the 100 that are asked for: with 2 s of warm-up, its backlog takes up the window.
    for warmup_ns in [0, S, 2 * S] {
        for arrival in [Arrival::Uniform, Arrival::Poisson] {
            let spec = WorkerSpec {
                active: 2,
                profile: constant(100.0),
                arrival,
                warmup_ns,
                measure_ns: 4 * S,
                ..spec()
            };
            let (seen, driver) = run(&spec, Clocked::new(25 * MS), START_NS);
            let from_ns = START_NS + warmup_ns;
            let answered = answered_in_window(&seen);
            assert_eq!(answered, driver.server().answered_in(from_ns, from_ns + 4 * S), "{warmup_ns} ns");
            assert!((158..=160).contains(&answered), "{answered} with {warmup_ns} ns of warm-up");
        }
    }
}

#[test]
fn a_healthy_server_with_slow_answers_is_charged_for_none() {
    // 100 ms each over 5 s: 49 a second less than a tenth of a second would be missing without the warm-up's answers.
    for arrival in [Arrival::Uniform, Arrival::Poisson] {
        let spec = WorkerSpec {
            active: 200,
            profile: constant(500.0),
            arrival,
            warmup_ns: S,
            measure_ns: 5 * S,
            ..spec()
        };
        let (seen, _) = run(&spec, Parallel { service_ns: 100 * MS }, START_NS);
        let intended = seen.sum(|part| part.sent + part.unsent);
        assert_eq!(seen.sum(|part| part.completed), intended);
        let answered = answered_in_window(&seen);
        if arrival == Arrival::Uniform {
            assert_eq!((intended, answered), (2_500, 2_500));
        } else {
            // What left in the last tenth before the window came in it, and what left in its own last tenth did not.
            assert!(answered.abs_diff(intended) < 60, "{answered} of {intended}");
        }
    }
}

#[test]
fn a_closed_loop_with_answers_of_a_second_is_credited_with_each_that_came() {
    let closed = |warmup_ns| WorkerSpec {
        active: 5,
        loop_kind: LoopKind::Closed,
        profile: vec![],
        warmup_ns,
        measure_ns: 4 * S,
        ..spec()
    };
    // Five connections, an answer a second each. Without a warm-up the first second of the window has none.
    for (warmup_ns, answered) in [(2 * S, 20), (S, 20), (0, 15)] {
        let (seen, _) = run(&closed(warmup_ns), Parallel { service_ns: S }, START_NS);
        assert_eq!(answered_in_window(&seen), answered, "{warmup_ns} ns of warm-up");
    }
}

#[test]
fn bytes_in_the_window_go_with_its_answers() {
    let spec =
        WorkerSpec { active: 2, profile: constant(100.0), warmup_ns: 2 * S, measure_ns: 4 * S, ..spec() };
    let (seen, _) = run(&spec, Clocked::new(25 * MS), START_NS);
    let parts = seen.frames.iter().flat_map(|frame| &frame.parts);
    let bytes: u64 = parts.map(|part| part.bytes_received_in_window).sum();
    assert_eq!(bytes, answered_in_window(&seen) * GOOD.len() as u64);
}

/// What was sent in each frame that ends in the window or with it: (from the window's start in ms, sent, answered).
fn steps(seen: &Recording, spec: &WorkerSpec) -> Vec<(u64, u64, u64)> {
    let window_ns = START_NS + spec.warmup_ns;
    let ends = window_ns + spec.measure_ns;
    let frames = seen.frames.iter().filter(|frame| frame.end_ns > window_ns + MS && frame.end_ns < ends + MS);
    let sum = |parts: &[seatrial_load::frame::PhasePart],
               field: fn(&seatrial_load::frame::PhasePart) -> u64| {
        parts.iter().map(field).sum::<u64>()
    };
    frames
        .map(|frame| {
            let at_ms = (frame.end_ns - window_ns) / MS;
            (at_ms, sum(&frame.parts, |part| part.sent), sum(&frame.parts, |part| part.completed))
        })
        .collect()
}

#[test]
fn a_request_on_a_boundary_counts_in_the_interval_that_begins_there() {
    for resolution_ns in [0, 250_000] {
        for warmup_ns in [0, S] {
            let spec = WorkerSpec {
                profile: constant(10.0),
                warmup_ns,
                resolution_ns,
                measure_ns: 3 * S,
                interval_ns: S,
                ..spec()
            };
            let (seen, _) = run(&spec, Parallel { service_ns: 1_000 }, START_NS);
            assert_eq!(steps(&seen, &spec), [(1_000, 10, 10), (2_000, 10, 10), (3_000, 10, 10)]);
        }
    }
}

#[test]
fn the_last_interval_ends_with_the_window_and_the_drain_is_apart() {
    let spec = WorkerSpec { profile: constant(10.0), measure_ns: 2_400 * MS, interval_ns: S, ..spec() };
    let (seen, _) = run(&spec, Parallel { service_ns: 250 * MS }, START_NS);
    assert_eq!(steps(&seen, &spec), [(1_000, 10, 8), (2_000, 10, 10), (2_400, 4, 4)]);
    let drained: u64 = seen
        .frames
        .iter()
        .filter(|frame| frame.start_ns >= START_NS + 2_400 * MS)
        .flat_map(|frame| &frame.parts)
        .map(|part| part.completed)
        .sum();
    assert_eq!(drained, 2);
}

#[test]
fn an_interval_is_exact_while_a_server_is_behind() {
    let spec = WorkerSpec {
        active: 2,
        profile: constant(100.0),
        warmup_ns: S,
        measure_ns: 3 * S,
        interval_ns: S,
        ..spec()
    };
    let (seen, driver) = run(&spec, Clocked::new(25 * MS), START_NS);
    let answered: Vec<u64> = steps(&seen, &spec).iter().map(|step| step.2).collect();
    let counted = (1..4).map(|at| driver.server().answered_in(START_NS + at * S, START_NS + (at + 1) * S));
    assert_eq!(answered, counted.collect::<Vec<_>>());
}
