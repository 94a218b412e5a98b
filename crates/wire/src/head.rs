//! Collecting a head that arrives in pieces.

use crate::{HEAD_LIMIT_BYTES, ProtocolError};

/// The pieces of an unfinished head. Empty, and without memory of its own, for a head that arrives whole.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "8 bytes in every connection instead of 24; almost none ever has one"
)]
pub(crate) struct PartialHead(Option<Box<Vec<u8>>>);

impl PartialHead {
    /// Whether nothing of a head has arrived yet.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pieces| pieces.len())
    }

    /// Appends a piece; returns the pieces so far and whether the end of the head is among them.
    ///
    /// Only what is new is searched, so that a head sent byte by byte costs no more than a whole one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(&[u8], bool), ProtocolError> {
        let pieces = self.0.get_or_insert_default();
        // The end, CR LF CR LF, may straddle the seam.
        let from = pieces.len().saturating_sub(3);
        let room = HEAD_LIMIT_BYTES.saturating_sub(pieces.len());
        pieces.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let is_whole = has_blank_line(&pieces[from..]);
        if !is_whole && pieces.len() >= HEAD_LIMIT_BYTES {
            return Err(ProtocolError::HeadTooLarge);
        }
        Ok((pieces, is_whole))
    }

    /// Forgets the pieces and frees their memory.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'\n')
        .any(|(at, _)| matches!(&bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// Maps the head parser's errors onto ours.
pub(crate) fn head_error(error: httparse::Error) -> ProtocolError {
    match error {
        httparse::Error::TooManyHeaders => ProtocolError::HeadTooLarge,
        _ => ProtocolError::Head,
    }
}
