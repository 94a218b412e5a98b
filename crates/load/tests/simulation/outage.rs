//! A system that is away for a while and comes back: what requests wait for after that is this program's doing.

use seatrial_load::example::constant;
use seatrial_load::spec::WorkerSpec;
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, S, run, spec};

/// Every connection is reset at one moment, and none is taken until another.
struct Restarts {
    down_ns: u64,
    up_ns: u64,
}

impl Server for Restarts {
    fn welcome(&mut self, now_ns: u64) -> Welcome {
        let is_down = (self.down_ns..self.up_ns).contains(&now_ns);
        if is_down { Welcome::Refuse(10_000) } else { Welcome::Accept(10_000) }
    }

    fn answer(&mut self, now_ns: u64) -> Vec<Step> {
        // Every connection asks within so long.
        if (self.down_ns - 20 * MS..self.down_ns).contains(&now_ns) {
            vec![Step::Reset(self.down_ns - now_ns)]
        } else {
            vec![Step::Send(100_000, GOOD.to_vec())]
        }
    }
}

#[test]
fn what_requests_wait_for_after_an_outage_is_counted_as_lateness() {
    for away_ms in [2, 15, 100, 352, 900] {
        let spec = WorkerSpec { active: 3, profile: constant(500.0), measure_ns: 3 * S, ..spec() };
        let (down_ns, up_ns) = (3 * S, 3 * S + away_ms * MS);
        let (seen, _) = run(&spec, Restarts { down_ns, up_ns }, 2 * S);
        assert!(seen.sum(|part| part.failed) <= 3);
        let (latency_us, late_us) = (seen.latency().max_us(), seen.lateness().max_us());
        // The last rest is 50 ms at most; a few more pass until a queue of 900 ms is worked off over three connections.
        assert!(latency_us <= (away_ms + 50 + 30) * 1_000, "{away_ms} ms: {latency_us} us");
        assert!(
            latency_us - late_us <= (away_ms + 30) * 1_000,
            "{away_ms} ms: {latency_us} less {late_us} us"
        );
        assert!(late_us <= 60_000, "{away_ms} ms: {late_us} us late");
    }
}

#[test]
fn connections_that_were_away_within_an_interval_are_seen_as_missing() {
    let spec =
        WorkerSpec { active: 3, profile: constant(500.0), measure_ns: 3 * S, interval_ns: 3 * S, ..spec() };
    let (seen, _) = run(&spec, Restarts { down_ns: 3 * S, up_ns: 3 * S + 352 * MS }, 2 * S);
    let frames = || seen.frames.iter().filter(|frame| (2 * S..5 * S).contains(&frame.start_ns));
    assert_eq!(frames().map(|frame| frame.active_min).min(), Some(0));
    assert!(frames().all(|frame| frame.active == 3));
    let missing_ns: u64 = frames().map(|frame| frame.active_missing_ns).sum();
    assert!((3 * 352 * MS..=3 * 402 * MS).contains(&missing_ns), "{missing_ns}");
}

#[test]
fn connections_that_the_peer_closes_when_idle_are_opened_again_at_once() {
    /// Closes what has had nothing to do for 300 ms after its answer.
    struct ClosesIdle;
    impl Server for ClosesIdle {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(100_000, GOOD.to_vec()), Step::Close(300 * MS)]
        }
    }
    let spec = WorkerSpec { active: 3, profile: constant(1.0), measure_ns: 20 * S, ..spec() };
    let (seen, _) = run(&spec, ClosesIdle, 2 * S);
    assert_eq!(seen.sum(|part| part.completed), 20);
    assert!(seen.latency().max_us() < 2_000, "{} us", seen.latency().max_us());
}
