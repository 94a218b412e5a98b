//! What a peer can do wrong.

use std::fmt;

/// The peer's bytes are not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtocolError {
    /// The head cannot be parsed.
    Head,
    /// The head is longer than [`crate::HEAD_LIMIT_BYTES`] or has more fields than [`crate::HEADER_LIMIT`].
    HeadTooLarge,
    /// Content-Length is no number, or there are two that differ.
    ContentLength,
    /// The chunked framing is broken.
    Chunk,
    /// The chunked framing has too much framing for its data: see [`crate::CHUNK_OVERHEAD_LIMIT_BYTES`].
    ChunkOverhead,
    /// More informational answers came before the final one than [`crate::INFORMATIONAL_LIMIT`].
    Informational,
    /// Bytes came that nobody asked for.
    Excess,
    /// The connection ended inside a message.
    PrematureClose,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Head => "the head is not HTTP/1.1",
            Self::HeadTooLarge => "the head is too large",
            Self::ContentLength => "the Content-Length is not one number",
            Self::Chunk => "the chunked framing is broken",
            Self::ChunkOverhead => "the chunked framing has far more framing than data",
            Self::Informational => "too many informational answers came before the final one",
            Self::Excess => "bytes came after the end of the message",
            Self::PrematureClose => "the connection ended inside a message",
        })
    }
}

impl std::error::Error for ProtocolError {}
