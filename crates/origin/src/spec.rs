//! What an origin is asked to be: one JSON document from its parent.

use std::net::{IpAddr, SocketAddr};

use seatrial_net::tls::config::ServerTlsSpec;
use serde::Deserialize;

/// What a sum of shares that are 1 together may be above it.
const SHARE_ROUNDING: f64 = 1e-9;

/// Where to listen; port 0 lets the kernel choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address, loopback unless someone asked for another.
    pub host: IpAddr,
    /// The port.
    pub port: u16,
    /// The certificate of a listener that speaks TLS.
    #[serde(default)]
    pub tls: Option<ServerTlsSpec>,
}

impl Listen {
    /// As a socket address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// How long an answer is held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Delay {
    /// Not at all.
    #[default]
    None,
    /// Always as long.
    Fixed {
        /// For so long.
        mean_us: f64,
    },
    /// Anything between two limits, alike.
    Uniform {
        /// At least.
        low_us: f64,
        /// At most.
        high_us: f64,
    },
    /// Exponentially distributed.
    Exponential {
        /// On average.
        mean_us: f64,
    },
    /// Its logarithm is normally distributed, as the latencies of many services are.
    Lognormal {
        /// Half of the delays are below it.
        p50_us: f64,
        /// 99 of 100 are below it.
        p99_us: f64,
    },
}

impl Delay {
    fn is_valid(self) -> bool {
        let lasts = |us: f64| us.is_finite() && us >= 0.0;
        match self {
            Self::None => true,
            Self::Fixed { mean_us } | Self::Exponential { mean_us } => lasts(mean_us),
            Self::Uniform { low_us, high_us } => lasts(low_us) && lasts(high_us) && low_us <= high_us,
            Self::Lognormal { p50_us, p99_us } => p50_us > 0.0 && lasts(p99_us) && p50_us <= p99_us,
        }
    }
}

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The connection is reset in its place.
    Reset,
    /// The head and half of the body, then the end.
    Half,
    /// Bytes that are not HTTP, then the end.
    Garbage,
    /// `Content-Length` is one more than the body has; the connection stays open.
    LongLength,
    /// `Content-Length` is one less than the body has.
    ShortLength,
    /// The body comes in pieces.
    Slow {
        /// From the head to the last piece.
        over_us: f64,
    },
}

impl Fault {
    /// The name that counts show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Half => "half",
            Self::Garbage => "garbage",
            Self::LongLength => "long_length",
            Self::ShortLength => "short_length",
            Self::Slow { .. } => "slow",
        }
    }

    /// Whether it is done to the body of an answer.
    pub fn is_of_the_body(self) -> bool {
        !matches!(self, Self::Reset | Self::Garbage)
    }
}

/// A fault and how often it happens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct FaultShare {
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
    /// Of all answers, up to 1.
    pub share: f64,
}

/// A time in which nothing is answered.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StallSpec {
    /// Its beginning, from the first request on.
    pub at_us: f64,
    /// How long it is.
    pub for_us: f64,
}

/// How one route differs from the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// The Host that it is for; every one where absent.
    #[serde(default)]
    pub host: Option<String>,
    /// The path that it is for.
    pub path: String,
    /// Its answers' size.
    pub body_bytes: usize,
    /// Its answers' status.
    pub status: u16,
    /// Its answers' delay.
    #[serde(default)]
    pub delay: Delay,
}

/// The whole origin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginSpec {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// The size of an answer's body.
    pub body_bytes: usize,
    /// The status of an answer.
    pub status: u16,
    /// The delay of an answer.
    #[serde(default)]
    pub delay: Delay,
    /// Answers per second at most, one after another, whatever arrives.
    #[serde(default)]
    pub capacity_per_s: Option<f64>,
    /// Routes that differ.
    #[serde(default)]
    pub routes: Vec<RouteSpec>,
    /// Answers that go wrong.
    #[serde(default)]
    pub faults: Vec<FaultShare>,
    /// Times in which nothing is answered.
    #[serde(default)]
    pub stalls: Vec<StallSpec>,
    /// Close a connection with the answer to its request of this number.
    #[serde(default)]
    pub close_after: Option<u32>,
    /// Seed of the random delays and faults.
    #[serde(default)]
    pub seed: u64,
    /// Whether other processes listen on the same port.
    #[serde(default)]
    pub reuse_port: bool,
}

impl OriginSpec {
    /// The largest body; it is kept in memory once per route.
    const BODY_LIMIT_BYTES: usize = 256 * 1024 * 1024;

    /// Refuses what cannot be served.
    pub fn parse(json: &str) -> Result<Self, String> {
        let mut spec: Self =
            serde_json::from_str(json).map_err(|error| format!("the spec is not valid: {error}"))?;
        let bodies = spec.routes.iter().map(|route| route.body_bytes).chain([spec.body_bytes]);
        let statuses = spec.routes.iter().map(|route| route.status).chain([spec.status]);
        if spec.listen.is_empty() {
            return Err("the spec is not valid: it names no address to listen on".to_owned());
        }
        if bodies.max().is_some_and(|largest| largest > Self::BODY_LIMIT_BYTES) {
            return Err(format!("the spec is not valid: a body may have {} bytes", Self::BODY_LIMIT_BYTES));
        }
        if statuses.into_iter().any(|status| !(200..600).contains(&status)) {
            return Err("the spec is not valid: a status is 200 to 599".to_owned());
        }
        if spec.capacity_per_s.is_some_and(|capacity| capacity.is_nan() || capacity <= 0.0) {
            return Err("the spec is not valid: a capacity is above 0".to_owned());
        }
        spec.check_faults().map_err(|what| format!("the spec is not valid: {what}"))?;
        spec.stalls.sort_by(|one, other| one.at_us.total_cmp(&other.at_us));
        Ok(spec)
    }

    fn check_faults(&self) -> Result<(), &'static str> {
        let lasts = |us: f64| us.is_finite() && us >= 0.0;
        let is_share = |one: &FaultShare| one.share > 0.0 && one.share <= 1.0;
        let is_slow = |one: &FaultShare| !matches!(one.fault, Fault::Slow { over_us } if !lasts(over_us));
        let mut delays = self.routes.iter().map(|route| route.delay).chain([self.delay]);
        if !delays.all(Delay::is_valid) {
            return Err("a delay is not negative, and its limits or percentiles ascend");
        }
        if !self.faults.iter().all(|one| is_share(one) && is_slow(one)) {
            return Err("a fault has a share above 0 and up to 1, and a time that is not negative");
        }
        if self.faults.iter().map(|one| one.share).sum::<f64>() > 1.0 + SHARE_ROUNDING {
            return Err("the shares of the faults are more than 1 together");
        }
        if !self.stalls.iter().all(|stall| lasts(stall.at_us) && lasts(stall.for_us)) {
            return Err("a stall has no negative times");
        }
        if self.close_after == Some(0) {
            return Err("a connection closes after 1 request at the earliest");
        }
        Ok(())
    }
}
