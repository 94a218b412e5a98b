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
pub use request::{ENDPOINT_FIELD, RequestHead, RequestParser};
pub use response::{Outcome, Response, ResponseParser, Sink};

/// The longest head that is accepted, as in nginx's and Envoy's defaults (32 and 60 KiB) rounded up.
pub const HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// The most header fields that are accepted in one head.
pub const HEADER_LIMIT: usize = 128;
/// The most informational (1xx) answers before a final one. Each costs a peer 25 bytes and nothing else, so there must be a
/// limit. Go's client gives up after 5; a `102 Processing` every 20 s, as RFC 2518 wanted it, makes 90 in half an hour.
pub const INFORMATIONAL_LIMIT: u8 = 100;
/// By how much the framing of a chunked body (sizes, line ends, extensions, trailers) may exceed the data, in any stretch
/// of it. Chunks of five bytes or more never do. Of single bytes, which are cheap to send and dear to read, it allows
/// 16,000 in a row: more than a stream of events has between two that are longer.
pub const CHUNK_OVERHEAD_LIMIT_BYTES: u32 = 64 * 1024;
