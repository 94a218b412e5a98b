//! HTTP/1.1 (RFC 9112) as sans-IO state machines: bytes in, events out. No sockets, no clock, no allocation on the way
//! of a message that arrives in one piece.

pub mod body;
mod chunked;
mod error;
mod head;
pub mod known;
pub mod request;
pub mod response;

pub use error::ProtocolError;
pub use known::KnownHead;
pub use request::{RequestHead, RequestParser};
pub use response::{Outcome, Response, ResponseParser, Sink};

/// The longest head that is accepted, as in nginx's and Envoy's defaults (32 and 60 KiB) rounded up.
pub const HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// The most header fields that are accepted in one head.
pub const HEADER_LIMIT: usize = 128;
