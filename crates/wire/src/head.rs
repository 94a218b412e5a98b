//! What a head says, and collecting one that arrives in pieces.

use crate::body::Framing;
use crate::{HEAD_LIMIT_BYTES, ProtocolError};

/// What the head of a final response says about the rest of it.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub(crate) status: u16,
    pub(crate) keep_alive: bool,
    pub(crate) framing: Framing,
}

/// The pieces of an unfinished head. Empty, and without memory of its own, for a head that arrives whole.
#[derive(Debug, Default)]
pub(crate) struct PartialHead(Option<Box<Pieces>>);

/// Boxed: 8 bytes in every connection instead of 32, and almost none ever has any.
#[derive(Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    /// How many of them, from the first on, are empty lines, which may come before a head.
    empty: usize,
}

impl PartialHead {
    /// Whether nothing of a head has arrived yet.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pieces| pieces.bytes.len())
    }

    /// Appends a piece; returns whether the head may be whole now, so that it is worth parsing.
    ///
    /// Only what is new is searched, so that a head sent byte by byte costs no more than a whole one, nor do empty lines
    /// without end before it.
    pub(crate) fn push(&mut self, new: &[u8]) -> bool {
        let Pieces { bytes, empty } = &mut **self.0.get_or_insert_default();
        // The end, CR LF CR LF, may straddle the seam.
        let from = bytes.len().saturating_sub(3);
        bytes.extend_from_slice(new);
        *empty += empty_lines(&bytes[*empty..]);
        bytes.len() >= HEAD_LIMIT_BYTES || has_blank_line(&bytes[from.max(*empty)..])
    }

    /// The pieces so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |pieces| &pieces.bytes)
    }

    /// Forgets the pieces and frees their memory.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

/// The length of the empty lines at the start.
fn empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &bytes[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .filter(|&(_, &byte)| byte == b'\n')
        .any(|(at, _)| matches!(&bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// The part of the input that a head must end in.
#[inline]
pub(crate) fn within_limit(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(HEAD_LIMIT_BYTES)]
}

/// An unfinished head may go on, unless it is as long as one may be.
pub(crate) fn may_go_on(bytes: &[u8]) -> Result<(), ProtocolError> {
    if bytes.len() < HEAD_LIMIT_BYTES { Ok(()) } else { Err(ProtocolError::HeadTooLarge) }
}

/// Maps the head parser's errors onto ours.
pub(crate) fn head_error(error: httparse::Error) -> ProtocolError {
    match error {
        httparse::Error::TooManyHeaders => ProtocolError::HeadTooLarge,
        _ => ProtocolError::Head,
    }
}
