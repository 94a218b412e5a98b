//! What an origin is told to be: one JSON document from its parent.

use std::net::{IpAddr, SocketAddr};

use seatrial_net::tls::config::ServerTlsSpec;
use serde::Deserialize;

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
    /// Seed of the random delays.
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
        let spec: Self =
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
        Ok(spec)
    }
}
