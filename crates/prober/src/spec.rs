//! What a prober is started with.

use std::net::{IpAddr, SocketAddr};

use seatrial_net::address::RawAddress;
use seatrial_net::tls::config::ClientTlsSpec;
use serde::Deserialize;

/// One prober.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProberSpec {
    /// Which of several it is; frames of workers have the same.
    pub worker: u32,
    /// Where each replica of the proxy takes requests.
    pub replicas: Vec<Replica>,
    /// How long after a probe the next one for the same route at the same replica is sent.
    pub period_ns: u64,
    /// The most probes that are sent in a second, all together.
    pub rate_limit_per_s: f64,
    /// How long an answer is waited for.
    pub timeout_ns: u64,
    /// How many answers in a row have to be as wanted.
    pub stable_after: u32,
    /// The field of an answer that says who has answered.
    pub field: String,
    /// More fields of each request.
    pub headers: Vec<(String, String)>,
    /// How many connections to each replica are kept.
    pub kept_connections: u32,
    /// The TLS that is spoken with every replica.
    #[serde(default)]
    pub tls: Option<ClientTlsSpec>,
}

/// One replica.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// Its address.
    pub host: IpAddr,
    /// Its port.
    pub port: u16,
}

impl ProberSpec {
    /// Reads JSON. The text of an error is for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let spec: Self =
            serde_json::from_str(text).map_err(|error| format!("the spec is not one: {error}"))?;
        let is_sound = !spec.replicas.is_empty()
            && spec.period_ns > 0
            && spec.timeout_ns > 0
            && spec.stable_after > 0
            && spec.kept_connections > 0
            && spec.rate_limit_per_s > 0.0;
        if is_sound { Ok(spec) } else { Err("the spec has a number that must not be 0".to_owned()) }
    }

    /// The replicas as the kernel takes them.
    pub(crate) fn addresses(&self) -> Vec<RawAddress> {
        let raw = |replica: &Replica| RawAddress::new(SocketAddr::new(replica.host, replica.port));
        self.replicas.iter().map(raw).collect()
    }
}
