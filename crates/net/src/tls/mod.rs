//! TLS between the load engine, or the origin, and their sockets.
//!
//! Nothing outside of this module names rustls, so that another version or another library changes this module only.

pub mod certificates;
pub mod config;
mod driver;
mod failure;
mod pem;
mod records;
mod sending;
mod session;
mod transport;
mod trust;

pub use crate::driver::{Handshake, TlsVersion};
pub use driver::TlsDriver;
pub use failure::{TlsFailure, TlsFailureKind};
pub use session::{Scratch, Session};
pub use transport::{SocketTransport, Transport};
