//! What a worker is asked to do: one JSON document from its parent.

use std::net::{IpAddr, SocketAddr};

use seatrial_net::tls::config::ClientTlsSpec;
use serde::Deserialize;

use crate::profile::Stretch;
use crate::request::RequestSpec;

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

/// `net.core.somaxconn` since Linux 5.4: what the longest listen queue takes.
fn one_listen_queue() -> u32 {
    4_096
}

/// What an answer must be like to be expected; what is absent is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectSpec {
    /// One of these status codes; any of 2xx where there is none.
    pub status: Vec<u16>,
    /// A header field with this value.
    pub header: Option<(String, String)>,
    /// This text somewhere in the body.
    pub body: Option<String>,
}

/// Which free connection takes the next request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// The one that has been free for longest: all are used alike.
    #[default]
    Lru,
    /// The one that was used last: as few as possible are used.
    Mru,
}

/// What idle connections do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldTraffic {
    /// Nothing.
    #[default]
    Silent,
    /// Each sends a request every so often, and reads the answer.
    Request {
        /// Time between two requests of a connection.
        every_ns: u64,
    },
    /// Each sends a request, and reads its answer a few bytes at a time.
    SlowRead {
        /// Time between two reads of a connection.
        every_ns: u64,
        /// Bytes in a read.
        bytes: u32,
    },
    /// Each sends a request a byte at a time, and so never finishes it soon.
    SlowSend {
        /// Time between two bytes of a connection.
        every_ns: u64,
    },
}

impl HoldTraffic {
    /// Time between two actions of a connection.
    pub fn every_ns(self) -> Option<u64> {
        match self {
            Self::Silent => None,
            Self::Request { every_ns } | Self::SlowRead { every_ns, .. } | Self::SlowSend { every_ns } => {
                Some(every_ns)
            }
        }
    }
}

/// What moves a worker's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverKind {
    /// The reference.
    #[default]
    Epoll,
    /// io_uring; where it does not work, epoll, and the parent learns why.
    IoUring,
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
    /// What to send, mixed by weight.
    pub requests: Vec<RequestSpec>,
    /// What the answers must be like.
    #[serde(default)]
    pub expect: Option<ExpectSpec>,
    /// Whether latencies are kept apart for each route.
    #[serde(default)]
    pub route_histograms: bool,
    /// TLS; plain connections without.
    #[serde(default)]
    pub tls: Option<ClientTlsSpec>,
    /// Idle connections that this worker holds.
    pub held: u32,
    /// Connections of this worker that carry requests.
    pub active: u32,
    /// Idle connections of the workers before this one: where it goes on in dealing its own to targets and sources.
    #[serde(default)]
    pub first_held: u32,
    /// Active connections of the workers before this one.
    #[serde(default)]
    pub first_active: u32,
    /// Connections that this worker opens in a second.
    pub connect_rate_per_s: f64,
    /// Connection attempts that may be under way at a time, so that opening follows what is established.
    #[serde(default = "one_listen_queue")]
    pub connecting_limit: u32,
    /// Open or closed.
    #[serde(rename = "loop")]
    pub loop_kind: LoopKind,
    /// Spread of the intended send times.
    pub arrival: Arrival,
    /// Requests per second of the whole load, from the warm-up on; empty in closed loop.
    pub profile: Vec<Stretch>,
    /// Which free connection takes the next request.
    #[serde(default)]
    pub reuse: Reuse,
    /// After so many requests a connection is closed and opened anew; 0 is never.
    #[serde(default)]
    pub requests_per_connection: u32,
    /// After so long a connection is closed and opened anew; 0 is never.
    #[serde(default)]
    pub lifetime_ns: u64,
    /// What idle connections do.
    #[serde(default)]
    pub hold: HoldTraffic,
    /// Whether the loop polls without ever sleeping: even to the microsecond, at the price of a core.
    #[serde(default)]
    pub spin: bool,
    /// What moves the bytes.
    #[serde(default)]
    pub driver: DriverKind,
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
        let mut spec: Self =
            serde_json::from_str(json).map_err(|error| format!("the spec is not valid: {error}"))?;
        spec.requests = spec.requests.into_iter().flat_map(RequestSpec::expanded).collect();
        let positive = [
            ("workers", spec.workers > spec.worker),
            ("targets", !spec.targets.is_empty()),
            ("connect_rate_per_s", spec.connect_rate_per_s > 0.0),
            ("connecting_limit", spec.connecting_limit > 0),
            ("interval_ns", spec.interval_ns > 0),
            ("timeout_ns", spec.timeout_ns > 0),
            (
                "requests",
                !spec.requests.is_empty() && spec.requests.iter().all(|request| request.weight > 0.0),
            ),
            (
                "profile",
                spec.profile.iter().all(|stretch| stretch.from_per_s > 0.0 && stretch.to_per_s > 0.0),
            ),
            ("profile", spec.profile.iter().all(|stretch| stretch.length_ns > 0)),
            ("profile", spec.loop_kind == LoopKind::Closed || !spec.profile.is_empty() || spec.active == 0),
            ("hold", spec.hold.every_ns() != Some(0)),
        ];
        match positive.iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(format!("the spec is not valid: {name} is out of range")),
            None => Ok(spec),
        }
    }
}
