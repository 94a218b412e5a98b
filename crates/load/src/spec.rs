//! What a worker is told to do: one JSON document from its parent.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// Open loop keeps to its schedule whatever the system does; closed loop waits for each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopKind {
    /// Requests leave at their intended times.
    Open,
    /// Each connection sends as soon as its last answer is in.
    Closed,
}

/// How intended send times are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// Evenly.
    Uniform,
    /// As independent clients: exponential gaps.
    Poisson,
}

/// The request that every connection repeats.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// The Host field.
    pub host: String,
    /// More fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body; its length is added as Content-Length where there is one.
    pub body: String,
}

impl RequestSpec {
    /// The request as it goes onto the wire.
    pub fn encode(&self) -> Vec<u8> {
        let Self { method, path, host, headers, body } = self;
        let mut fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if !body.is_empty() {
            fields += &format!("Content-Length: {}\r\n", body.len());
        }
        format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{body}").into_bytes()
    }
}

/// One worker's share of a load. Rates are of the whole load, connections are this worker's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSpec {
    /// This worker's number, from 0.
    pub worker: u32,
    /// How many workers share the schedule: this one takes every `workers`-th slot.
    pub workers: u32,
    /// Where to connect to, in turn.
    pub targets: Vec<SocketAddr>,
    /// Where to connect from, in turn; empty leaves it to the kernel.
    pub sources: Vec<IpAddr>,
    /// What to send.
    pub request: RequestSpec,
    /// Idle connections that this worker holds.
    pub held: u32,
    /// Connections of this worker that carry requests.
    pub active: u32,
    /// Connections that this worker opens in a second.
    pub connect_rate_per_s: f64,
    /// Open or closed.
    #[serde(rename = "loop")]
    pub loop_kind: LoopKind,
    /// Spread of the intended send times.
    pub arrival: Arrival,
    /// Requests per second of the whole load; not used in closed loop.
    pub rate_per_s: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// The grid of the intended send times; 0 sends each at its own instant and wakes for every answer.
    pub resolution_ns: u64,
    /// How long a request may take from its actual send, and a connection to be established.
    pub timeout_ns: u64,
    /// Length of the warm-up.
    pub warmup_ns: u64,
    /// Length of the measure window.
    pub measure_ns: u64,
    /// How long answers are waited for after the window.
    pub drain_ns: u64,
    /// Length of an interval frame.
    pub interval_ns: u64,
}

impl WorkerSpec {
    /// Refuses what would make the worker divide by zero or index nothing.
    pub fn parse(json: &str) -> Result<Self, String> {
        let spec: Self =
            serde_json::from_str(json).map_err(|error| format!("the spec is not valid: {error}"))?;
        let positive = [
            ("workers", spec.workers > spec.worker),
            ("targets", !spec.targets.is_empty()),
            ("connect_rate_per_s", spec.connect_rate_per_s > 0.0),
            ("interval_ns", spec.interval_ns > 0),
            ("timeout_ns", spec.timeout_ns > 0),
            ("rate_per_s", spec.loop_kind == LoopKind::Closed || spec.rate_per_s > 0.0 || spec.active == 0),
        ];
        match positive.iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(format!("the spec is not valid: {name} is out of range")),
            None => Ok(spec),
        }
    }
}
