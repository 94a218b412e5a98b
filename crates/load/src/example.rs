//! A load with nothing special about it: what tests and benchmarks begin from.

use crate::profile::Stretch;
use crate::request::RequestSpec;
use crate::spec::{Arrival, DriverKind, HoldTraffic, LoopKind, Reuse, WorkerSpec};

/// A profile of one rate, for a second.
pub fn constant(rate_per_s: f64) -> Vec<Stretch> {
    vec![Stretch { length_ns: 1_000_000_000, from_per_s: rate_per_s, to_per_s: rate_per_s }]
}

/// One worker, one connection, 1,000 requests a second for a second.
pub fn spec() -> WorkerSpec {
    WorkerSpec {
        worker: 0,
        workers: 1,
        targets: vec!["127.0.0.1:80".parse().expect("an address")],
        sources: vec![],
        requests: vec![RequestSpec {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "localhost".to_owned(),
            headers: vec![],
            body: vec![],
            weight: 1.0,
            numbers: None,
        }],
        expect: None,
        route_histograms: false,
        tls: None,
        held: 0,
        active: 1,
        first_held: 0,
        first_active: 0,
        connect_rate_per_s: 1_000.0,
        connecting_limit: 4_096,
        loop_kind: LoopKind::Open,
        arrival: Arrival::Uniform,
        profile: constant(1_000.0),
        reuse: Reuse::Lru,
        requests_per_connection: 0,
        lifetime_ns: 0,
        hold: HoldTraffic::Silent,
        spin: false,
        driver: DriverKind::Epoll,
        seed: 1,
        resolution_ns: 0,
        timeout_ns: 2_000_000_000,
        warmup_ns: 0,
        measure_ns: 1_000_000_000,
        drain_ns: 2_000_000_000,
        interval_ns: 1_000_000_000,
    }
}
