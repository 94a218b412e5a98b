//! TLS between the load engine, or the origin, and their sockets.
//!
//! Nothing outside of this module names rustls, so that another version or another library changes this module only.

pub mod certificates;
pub mod config;
mod driver;
mod failure;
mod records;
mod sending;
mod session;
mod transport;
mod trust;

pub use driver::TlsDriver;
pub use failure::{TlsFailure, TlsFailureKind};
pub use session::{Scratch, Session};
pub use transport::{SocketTransport, Transport};

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The name that plans and results show.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// A handshake that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// From the end of connect() to the end of the handshake.
    pub took_ns: u64,
    /// What was agreed upon.
    pub version: TlsVersion,
    /// Whether an earlier session was resumed instead of a full handshake.
    pub is_resumed: bool,
}
