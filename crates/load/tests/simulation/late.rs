//! A worker that was held up takes its own lateness for nobody else's: what came in time is not called a timeout, and
//! what did not is.

use seatrial_load::example::constant;
use seatrial_load::spec::WorkerSpec;
use seatrial_net::simulated::{Buffers, Server, SimulatedDriver, Step, Welcome};

use crate::support::{GOOD, MS, Parallel, Recording, S, run_over, run_patiently, spec};

const TIMEOUT_NS: u64 = 50 * MS;
const STOPPED_NS: u64 = 80 * MS;

/// Runs a load whose worker is stopped for longer than the timeout once the schedule has begun, at many places in turn.
fn stopped<T: Server + Clone>(
    spec: &WorkerSpec,
    server: &T,
    make: impl Fn(SimulatedDriver<T>) -> SimulatedDriver<T>,
) -> Vec<Recording> {
    let (_, driver) = run_over(spec, server.clone(), 2 * S, &make);
    let (from, until) = (driver.calls() / 4, driver.calls() * 3 / 4);
    let stop_at = |number| {
        let call = from + (until - from) * number / 20;
        run_over(spec, server.clone(), 2 * S, |driver| make(driver).stopping_at(call, STOPPED_NS)).0
    };
    (0..20).map(stop_at).collect()
}

/// The one request at whose sending the worker was stopped left that much later than the clock was looked at.
fn assert_no_timeouts(seen: &Recording) {
    let errors = seen.errors();
    assert!(errors.values().sum::<u64>() <= 1 && errors.keys().all(|kind| *kind == "timeout"), "{errors:?}");
}

fn busy_spec() -> WorkerSpec {
    WorkerSpec {
        active: 400,
        connect_rate_per_s: 1e6,
        profile: constant(20_000.0),
        timeout_ns: TIMEOUT_NS,
        drain_ns: 2 * TIMEOUT_NS,
        measure_ns: 200 * MS,
        ..spec()
    }
}

#[test]
fn answers_that_came_in_time_are_answers_however_late_they_are_read() {
    // As with epoll, one look brings a few events only, and a turn of reading takes what it takes.
    let slow = Buffers { read_ns_per_kib: 300_000, ..Buffers::default() };
    for buffers in [Buffers::default(), slow] {
        for seen in stopped(&busy_spec(), &Parallel { service_ns: 10 * MS }, |driver| {
            driver.with_buffers(buffers).reporting(16)
        }) {
            assert!(seen.sum(|part| part.completed) > 1_000);
            assert_no_timeouts(&seen);
        }
    }
}

/// Answers with a body of several reads, and ends it with the stream.
#[derive(Clone)]
struct UntilClosed;

impl Server for UntilClosed {
    fn answer(&mut self, _: u64) -> Vec<Step> {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        vec![Step::Send(MS, head), Step::Send(0, vec![b'x'; 600_000]), Step::Close(0)]
    }
}

#[test]
fn large_answers_and_those_that_end_with_the_stream_are_read_to_their_end() {
    let spec = WorkerSpec { profile: constant(500.0), ..busy_spec() };
    for seen in stopped(&spec, &UntilClosed, |driver| driver.reporting(4)) {
        assert_no_timeouts(&seen);
    }
}

#[test]
fn answers_that_came_too_late_are_timeouts_however_late_they_are_read() {
    for seen in stopped(&busy_spec(), &Parallel { service_ns: 60 * MS }, |driver| driver.reporting(16)) {
        assert!(seen.sum(|part| part.timed_out) > 100);
        assert_eq!(seen.sum(|part| part.completed), 0);
    }
}

#[test]
fn where_nothing_says_when_an_answer_came_one_that_is_there_is_an_answer() {
    for seen in stopped(&busy_spec(), &Parallel { service_ns: 10 * MS }, |driver| {
        driver.reporting(16).without_stamps()
    }) {
        assert_no_timeouts(&seen);
    }
}

#[test]
fn connections_that_are_there_are_no_timeouts_however_late_that_is_seen() {
    #[derive(Clone)]
    struct Accepts;
    impl Server for Accepts {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(20 * MS)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(MS, GOOD.to_vec())]
        }
    }
    for (held, active) in [(400, 0), (0, 400)] {
        let spec = WorkerSpec { held, active, measure_ns: 20 * MS, ..busy_spec() };
        for call in [100, 350, 410] {
            let make = |driver: SimulatedDriver<Accepts>| driver.reporting(16).stopping_at(call, STOPPED_NS);
            let (seen, _) = run_patiently(&spec, Accepts, (2 * S, u64::MAX), make);
            assert_eq!(seen.errors().len(), 0, "{held} held, stopped at {call}: {:?}", seen.errors());
            assert_eq!(seen.frames.iter().map(|frame| frame.opened).sum::<u64>(), 400);
        }
    }
}
