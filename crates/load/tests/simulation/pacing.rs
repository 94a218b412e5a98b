//! When requests are sent, and how often the loop wakes for that.

use seatrial_load::example::constant;
use seatrial_load::profile::Stretch;
use seatrial_load::spec::{LoopKind, WorkerSpec};
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, Parallel, Queue, S, run, spec};

#[test]
fn a_grid_wakes_once_for_many_requests() {
    let count = 20_000;
    let wakes = |resolution_ns| {
        let spec = WorkerSpec { resolution_ns, profile: constant(20_000.0), active: 100, ..spec() };
        let (seen, driver) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
        assert_eq!(seen.sum(|part| part.completed), count);
        driver.wakes()
    };
    assert!(wakes(250_000) < 5_000, "{}", wakes(250_000));
    assert!(wakes(0) > count, "{}", wakes(0));
}

#[test]
fn a_rate_may_change_in_steps_and_ramps() {
    let profile = vec![
        Stretch { length_ns: S, from_per_s: 100.0, to_per_s: 100.0 },
        Stretch { length_ns: 2 * S, from_per_s: 100.0, to_per_s: 900.0 },
    ];
    let spec = WorkerSpec { profile, measure_ns: 4 * S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    assert_eq!(seen.sum(|part| part.completed), 100 + 1_000 + 900);
}

/// A closed loop of 100 connections: what it completed, and how often it woke, with naps and without.
fn closed_with_and_without_naps(server: &(impl Server + Clone)) -> [(u64, u64); 2] {
    [60_000, 0].map(|resolution_ns| {
        let spec =
            WorkerSpec { loop_kind: LoopKind::Closed, active: 100, warmup_ns: S, resolution_ns, ..spec() };
        let (seen, driver) = run(&spec, server.clone(), 2 * S);
        (seen.sum(|part| part.completed), driver.wakes())
    })
}

#[test]
fn a_closed_loop_naps_where_the_server_is_the_limit() {
    let queue = Queue { service_ns: 7_500, busy_until_ns: 0 };
    let [(completed, wakes), (without, wakes_without)] = closed_with_and_without_naps(&queue);
    assert!(completed as f64 > 0.99 * without as f64, "{completed} of {without}");
    assert!(wakes * 3 < wakes_without, "{wakes} of {wakes_without}");
}

#[test]
fn a_closed_loop_does_not_nap_where_that_would_cost_throughput() {
    let parallel = Parallel { service_ns: 700_000 };
    let [(completed, _), (without, _)] = closed_with_and_without_naps(&parallel);
    assert!(completed as f64 > 0.98 * without as f64, "{completed} of {without}");
}

#[test]
fn a_drain_waits_asleep_whatever_connections_are_missing() {
    /// Resets the first connection when it asks, and is gone then; answers the others long after the window.
    struct Gone {
        asked: u32,
        welcomed: u32,
    }
    impl Server for Gone {
        fn welcome(&mut self, _: u64) -> Welcome {
            self.welcomed += 1;
            if self.welcomed > 10 { Welcome::Refuse(1_000) } else { Welcome::Accept(0) }
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            self.asked += 1;
            vec![if self.asked == 1 { Step::Reset(1_000) } else { Step::Send(2_500 * MS, GOOD.to_vec()) }]
        }
    }
    let spec = WorkerSpec { timeout_ns: 5 * S, drain_ns: 2 * S, interval_ns: 10 * S, ..spec() };
    let (_, driver) = run(&spec, Gone { asked: 0, welcomed: 0 }, 2 * S);
    // Ten requests are sent and one connection is tried a few times; a loop that does not sleep turns millions of times.
    assert!(driver.wakes() < 500, "{}", driver.wakes());
}

#[test]
fn frames_end_where_the_window_begins() {
    let spec = WorkerSpec { warmup_ns: 1_300 * MS, measure_ns: 2 * S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let ends: Vec<u64> =
        seen.frames.iter().map(|frame| frame.end_ns.saturating_sub(2 * S) / (100 * MS)).collect();
    for boundary in [0, 3, 13, 23, 33] {
        assert!(ends.contains(&boundary), "{boundary} is missing of {ends:?}");
    }
}
