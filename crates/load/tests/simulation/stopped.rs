//! A program that stands still says so, wherever in its loop that happens; one that only has much to do does not.

use seatrial_load::example::constant;
use seatrial_load::spec::{LoopKind, WorkerSpec};

use crate::support::{MS, Parallel, Recording, S, run, run_over, spec};

const STOPPED_NS: u64 = S;
/// A stop within a wait shows as far as it is longer than the wait was to be: a tenth of a second at most.
const LEAST_SEEN_NS: u64 = STOPPED_NS - 100 * MS;
const STOPS: u64 = 150;

/// The longest stall that the frames of the window report, as `stall_us_max` takes it from them.
fn stall_ns(seen: &Recording) -> u64 {
    let measuring = seen.frames.iter().filter(|frame| frame.parts.iter().any(|part| part.phase == "measure"));
    measuring.map(|frame| frame.stall_ns_max).max().unwrap_or(0)
}

#[test]
fn a_stop_shows_wherever_in_the_loop_it_falls() {
    for (loop_kind, resolution_ns) in
        [(LoopKind::Closed, 0), (LoopKind::Closed, 60_000), (LoopKind::Open, 250_000)]
    {
        let spec = WorkerSpec {
            active: 40,
            loop_kind,
            resolution_ns,
            profile: constant(10_000.0),
            measure_ns: 50 * MS,
            interval_ns: 10 * MS,
            ..spec()
        };
        let server = Parallel { service_ns: 300_000 };
        let (seen, driver) = run(&spec, server.clone(), 2 * S);
        assert!(stall_ns(&seen) < MS, "{loop_kind:?}: {} ns without a stop", stall_ns(&seen));
        // From when the schedule runs to when its end is near.
        let (from, until) = (driver.calls() / 4, driver.calls() * 3 / 4);
        for number in 0..STOPS {
            let call = from + (until - from) * number / STOPS;
            let (seen, _) =
                run_over(&spec, server.clone(), 2 * S, |driver| driver.stopping_at(call, STOPPED_NS));
            let stall_ns = stall_ns(&seen);
            assert!(stall_ns >= LEAST_SEEN_NS, "{loop_kind:?}, stopped at call {call}: {stall_ns} ns");
        }
    }
}

#[test]
fn a_loop_that_has_much_to_do_is_not_called_stalled() {
    // Each round takes 20,000 sends and as many reads: 4 ms of calls, and more work than one turn may do.
    let spec = WorkerSpec {
        active: 20_000,
        connect_rate_per_s: 1e6,
        loop_kind: LoopKind::Closed,
        measure_ns: 100 * MS,
        ..spec()
    };
    let (seen, _) = run(&spec, Parallel { service_ns: 300_000 }, 2 * S);
    assert!(seen.sum(|part| part.completed) > 100_000);
    assert!(stall_ns(&seen) < 2 * MS, "{} ns", stall_ns(&seen));
}

#[test]
fn many_timeouts_at_once_do_not_hold_up_the_loop() {
    // Nothing is ever answered, so all 5,000 time out within the same few milliseconds, and each is opened again.
    let spec = WorkerSpec {
        active: 5_000,
        connect_rate_per_s: 1e6,
        loop_kind: LoopKind::Closed,
        timeout_ns: 50 * MS,
        measure_ns: 300 * MS,
        drain_ns: 0,
        ..spec()
    };
    let (seen, _) = run(&spec, Parallel { service_ns: 10 * S }, 2 * S);
    assert!(seen.sum(|part| part.timed_out) >= 20_000);
    assert!(stall_ns(&seen) < 2 * MS, "{} ns", stall_ns(&seen));
}
