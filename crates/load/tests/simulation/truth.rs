//! What is measured is what happened, however the server takes its time.

use seatrial_load::example::constant;
use seatrial_load::histogram::Histogram;
use seatrial_load::spec::WorkerSpec;
use seatrial_net::simulated::{Server, Step, Welcome};

use crate::support::{GOOD, MS, Queue, S, run, spec};

#[test]
fn a_fast_server_is_measured_to_the_microsecond() {
    for resolution_ns in [0, 250_000] {
        let spec = WorkerSpec { resolution_ns, warmup_ns: S / 2, ..spec() };
        let (seen, driver) = run(&spec, Queue { service_ns: 50_000, busy_until_ns: 0 }, 2 * S);
        assert_eq!(seen.sum(|part| part.completed), 1_000);
        assert!((50..=52).contains(&seen.latency().quantile_us(0.5)), "{}", seen.latency().quantile_us(0.5));
        assert!(seen.errors().is_empty());
        assert_eq!(driver.open_sockets(), 0);
    }
}

#[test]
fn a_stall_shows_in_every_quantile_that_it_touches() {
    /// Answers at once, but for one stall.
    struct Stall;
    impl Server for Stall {
        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            let (from_ns, to_ns) = (4 * S, 6 * S);
            let wait_ns = if (from_ns..to_ns).contains(&now_ns) { to_ns - now_ns } else { 0 };
            vec![Step::Send(wait_ns + 20_000, GOOD.to_vec())]
        }
    }
    let spec = WorkerSpec { measure_ns: 10 * S, timeout_ns: 5 * S, drain_ns: 5 * S, ..spec() };
    let (seen, _) = run(&spec, Stall, 2 * S);
    let latency = seen.latency();
    assert_eq!(latency.count(), 10_000);
    for quantile in [0.85, 0.9, 0.99, 0.999] {
        // S - (1 - q) W, Tene's arithmetic of coordinated omission, with an instant catch-up.
        let truth_us = 2e6 - (1.0 - quantile) * 10e6;
        let reported = latency.quantile_us(quantile) as f64;
        assert!((reported / truth_us - 1.0).abs() < 0.01, "q {quantile}: {reported} us of {truth_us}");
    }
    // Nothing is made up: no sample is longer than the stall, and half of all requests never saw it.
    assert!(latency.max_us() <= 2_003_000, "{}", latency.max_us());
    assert!(latency.quantile_us(0.5) <= 22, "{}", latency.quantile_us(0.5));
}

#[test]
fn a_slow_start_stays_in_the_warm_up() {
    /// Takes 50 ms for each answer in its first five seconds, then answers at once.
    struct SlowStart;
    impl Server for SlowStart {
        fn answer(&mut self, now_ns: u64) -> Vec<Step> {
            vec![Step::Send(if now_ns < 7 * S { 50 * MS } else { 20_000 }, GOOD.to_vec())]
        }
    }
    let p99_us = |warmup_ns| {
        let spec = WorkerSpec { active: 100, warmup_ns, measure_ns: 10 * S, ..spec() };
        let (seen, _) = run(&spec, SlowStart, 2 * S);
        seen.latency().quantile_us(0.99)
    };
    assert!((20..=22).contains(&p99_us(5 * S)), "{}", p99_us(5 * S));
    assert!(p99_us(0) >= 50_000, "{}", p99_us(0));
}

#[test]
fn a_server_that_is_too_slow_leaves_nothing_out() {
    let spec = WorkerSpec { active: 5, measure_ns: 4 * S, drain_ns: S, timeout_ns: S, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 2 * MS, busy_until_ns: 0 }, 2 * S);
    assert!((2_400..=2_600).contains(&seen.sum(|part| part.completed)));
    assert!(seen.sum(|part| part.unsent) > 1_300);
    assert!(seen.latency().max_us() > 2_000_000);
}

#[test]
fn silence_times_out_and_is_at_least_that_slow() {
    struct Silent;
    impl Server for Silent {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![]
        }
    }
    let spec = WorkerSpec { timeout_ns: 100 * MS, drain_ns: 100 * MS, ..spec() };
    let (seen, _) = run(&spec, Silent, 2 * S);
    assert_eq!(seen.sum(|part| part.completed), 0);
    assert!(seen.latency().quantile_us(0.5) >= 100_000);
    assert!(seen.sum(|part| part.timed_out) >= 40);
}

#[test]
fn waiting_for_a_connection_to_be_opened_again_is_not_the_generators_lateness() {
    /// Closes after each answer, and takes 20 ms to accept.
    struct SlowToAccept;
    impl Server for SlowToAccept {
        fn welcome(&mut self, _: u64) -> Welcome {
            Welcome::Accept(20 * MS)
        }

        fn answer(&mut self, _: u64) -> Vec<Step> {
            let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            vec![Step::Send(1_000, answer.to_vec())]
        }
    }
    let spec = WorkerSpec { active: 2, profile: constant(90.0), ..spec() };
    let (seen, _) = run(&spec, SlowToAccept, 2 * S);
    let mut lateness = Histogram::new();
    for part in seen.parts("measure") {
        lateness.add(&Histogram::decode(&part.lateness).expect("ours"));
    }
    assert!(lateness.max_us() < 1_000, "{} us", lateness.max_us());
}

#[test]
fn a_connect_time_is_that_of_the_connection_and_not_of_the_ramp() {
    // Each call takes 100 ns and the server 10 us, so all 5,000 in one go would take 500 us before the first look.
    let spec = WorkerSpec { held: 5_000, active: 0, connect_rate_per_s: 1e8, ..spec() };
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let mut connect = Histogram::new();
    for frame in &seen.frames {
        connect.add(&Histogram::decode(&frame.connect).expect("our own encoding"));
    }
    assert_eq!(connect.count(), 5_000);
    assert!(connect.max_us() < 50, "{} us", connect.max_us());
}
