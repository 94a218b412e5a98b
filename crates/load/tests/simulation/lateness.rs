//! What requests wait because the program stood still is its lateness, for each of them, and nothing else is.

use seatrial_load::example::constant;
use seatrial_load::spec::WorkerSpec;
use seatrial_net::simulated::Server;

use crate::support::{MS, Parallel, Queue, Recording, S, run, run_over, spec};

const START_NS: u64 = 2 * S;
const QUANTILES: [f64; 6] = [0.9, 0.97, 0.98, 0.99, 0.995, 0.999];

const STOPS: u64 = 40;

/// The program stands still for so long, at one call or another in the middle of the load.
fn stopped<T: Server + Clone>(spec: &WorkerSpec, server: &T, stop_ns: u64) -> Vec<Recording> {
    let (_, driver) = run(spec, server.clone(), START_NS);
    let calls = driver.calls();
    let stop = |number| calls / 2 + number * calls / (10 * STOPS);
    (0..STOPS)
        .map(|number| {
            run_over(spec, server.clone(), START_NS, |fresh| fresh.stopping_at(stop(number), stop_ns)).0
        })
        .collect()
}

/// Each quantile of the lateness is that of the latency, but for `served_us`.
fn assert_all_is_ours(seen: &Recording, served_us: u64, what: &str) {
    let (latency, lateness) = (seen.latency(), seen.lateness());
    for quantile in QUANTILES {
        let (whole, ours) = (latency.quantile_us(quantile), lateness.quantile_us(quantile));
        assert!(ours + served_us >= whole, "{what}, {quantile}: {ours} of {whole} us are said to be ours");
    }
}

#[test]
fn requests_that_wait_for_those_that_left_late_are_late_themselves() {
    // One in twenty-five is due while the program stands still: connections are free for ten of them.
    for (active, requests_per_connection) in [(1, 0), (2, 0), (10, 0), (10, 1), (1_000, 0)] {
        let spec = WorkerSpec {
            active,
            requests_per_connection,
            profile: constant(1_000.0),
            measure_ns: 4 * S,
            ..spec()
        };
        let what = format!("{active} connections, {requests_per_connection} requests each");
        for seen in stopped(&spec, &Parallel { service_ns: 100_000 }, 180 * MS) {
            assert!(
                seen.latency().quantile_us(0.98) > 50_000,
                "{what}: {}",
                seen.latency().quantile_us(0.98)
            );
            assert_all_is_ours(&seen, 3_000, &what);
        }
    }
}

#[test]
fn the_queue_of_an_overloaded_system_is_not_lateness() {
    // A quarter of what is asked for: 3 s of waiting at the end.
    let spec = WorkerSpec { active: 2, profile: constant(400.0), measure_ns: 4 * S, ..spec() };
    let server = Queue { service_ns: 10 * MS, busy_until_ns: 0 };
    let (seen, _) = run(&spec, server, START_NS);
    assert!(seen.latency().quantile_us(0.5) > 500_000);
    assert!(seen.lateness().quantile_us(0.999) < 1_000, "{} us", seen.lateness().quantile_us(0.999));
}
