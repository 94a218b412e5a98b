//! What the unit tests share.

use crate::spec::{Arrival, LoopKind, RequestSpec, WorkerSpec};

/// One worker with nothing special about it.
pub(crate) fn spec() -> WorkerSpec {
    WorkerSpec {
        worker: 0,
        workers: 1,
        targets: vec!["127.0.0.1:80".parse().expect("an address")],
        sources: vec![],
        request: RequestSpec {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: "localhost".to_owned(),
            headers: vec![],
            body: String::new(),
        },
        held: 0,
        active: 1,
        connect_rate_per_s: 1_000.0,
        loop_kind: LoopKind::Open,
        arrival: Arrival::Uniform,
        rate_per_s: 1_000.0,
        seed: 1,
        resolution_ns: 0,
        timeout_ns: 2_000_000_000,
        warmup_ns: 0,
        measure_ns: 1_000_000_000,
        drain_ns: 2_000_000_000,
        interval_ns: 1_000_000_000,
    }
}
