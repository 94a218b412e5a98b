//! What a worker is asked to do: one JSON document from its parent.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seatrial_net::tls::config::ClientTlsSpec;
use serde::Deserialize;

use crate::profile::Stretch;

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

/// One of the requests that connections carry.
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
    /// The body, base64 in the JSON; its length is added as Content-Length where there is one.
    #[serde(deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// How often it is sent beside the others.
    #[serde(default = "one")]
    pub weight: f64,
}

/// `net.core.somaxconn` since Linux 5.4: what the longest listen queue takes.
fn one_listen_queue() -> u32 {
    4_096
}

fn one() -> f64 {
    1.0
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
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

impl RequestSpec {
    /// The request as it goes onto the wire.
    pub fn encode(&self) -> Vec<u8> {
        let Self { method, path, host, headers, body, .. } = self;
        let mut fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if !body.is_empty() || self.says_that_it_is_empty() {
            fields += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// A request whose method usually has a body says that it has none (RFC 9110, 8.6), unless its own fields speak of it.
    fn says_that_it_is_empty(&self) -> bool {
        let is_of_length = |name: &str| {
            ["Content-Length", "Transfer-Encoding"].iter().any(|length| length.eq_ignore_ascii_case(name))
        };
        ["POST", "PUT", "PATCH"].contains(&self.method.as_str())
            && !self.headers.iter().any(|(name, _)| is_of_length(name))
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
        let spec: Self =
            serde_json::from_str(json).map_err(|error| format!("the spec is not valid: {error}"))?;
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

#[cfg(test)]
mod tests {
    use crate::example::spec;
    use crate::spec::RequestSpec;

    #[test]
    fn a_request_that_could_have_a_body_says_where_it_has_none() {
        let encoded = |method: &str, body: &[u8], fields: &[(&str, &str)]| {
            let headers = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let request = RequestSpec {
                method: method.to_owned(),
                body: body.to_vec(),
                headers,
                ..spec().requests[0].clone()
            };
            String::from_utf8(request.encode()).expect("text")
        };
        for method in ["POST", "PUT", "PATCH"] {
            assert!(encoded(method, b"", &[]).ends_with("Content-Length: 0\r\n\r\n"));
            assert!(encoded(method, b"abc", &[]).ends_with("Content-Length: 3\r\n\r\nabc"));
            let chunked = encoded(method, b"", &[("transfer-encoding", "chunked")]);
            assert!(!chunked.contains("Content-Length"), "{chunked}");
        }
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            assert!(!encoded(method, b"", &[]).contains("Content-Length"));
        }
    }
}
