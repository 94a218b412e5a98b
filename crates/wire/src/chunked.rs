//! The chunked transfer coding, RFC 9112 section 7.1. The data is counted past, never copied.

use crate::{CHUNK_OVERHEAD_LIMIT_BYTES, ProtocolError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    SizeSpace,
    Extension,
    SizeEnd,
    Data,
    DataEndCr,
    DataEndLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
    Done,
}

/// How far into a chunked body the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    remaining: u64,
    /// How many bytes of framing may follow before data must. A byte of data pays for a byte of framing.
    credit: u32,
    state: State,
    has_digit: bool,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { remaining: 0, credit: CHUNK_OVERHEAD_LIMIT_BYTES, state: State::Size, has_digit: false }
    }

    /// Reads on, giving data to `on_data`; returns how many bytes belong to the body and whether it is complete.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        mut on_data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let taken = self.remaining.min((bytes.len() - at) as u64);
                self.remaining -= taken;
                let paid = u32::try_from(taken).unwrap_or(u32::MAX);
                self.credit = self.credit.saturating_add(paid).min(CHUNK_OVERHEAD_LIMIT_BYTES);
                on_data(&bytes[at..at + taken as usize]);
                at += taken as usize;
                if self.remaining == 0 {
                    self.state = State::DataEndCr;
                }
            } else {
                self.credit = self.credit.checked_sub(1).ok_or(ProtocolError::ChunkOverhead)?;
                self.state = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok((at, self.state == State::Done))
    }

    fn step(&mut self, byte: u8) -> Result<State, ProtocolError> {
        Ok(match (self.state, byte) {
            (State::Size, b'\r') if self.has_digit => State::SizeEnd,
            (State::Size, b';') if self.has_digit => State::Extension,
            (State::Size, b' ' | b'\t') if self.has_digit => State::SizeSpace,
            (State::Size, digit) => self.size_digit(digit)?,
            (State::SizeSpace | State::Extension, b'\r') => State::SizeEnd,
            (State::SizeSpace, b' ' | b'\t') => State::SizeSpace,
            // A lone LF ends no line here: peers that disagree on where one ends can be made to see different messages.
            (State::Extension | State::TrailerStart | State::Trailer, b'\n') => {
                return Err(ProtocolError::Chunk);
            }
            (State::SizeSpace, b';') | (State::Extension, _) => State::Extension,
            (State::SizeEnd, b'\n') => self.size_complete(),
            (State::DataEndCr, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::TrailerStart | State::Trailer, _) => State::Trailer,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(ProtocolError::Chunk),
        })
    }

    fn size_digit(&mut self, byte: u8) -> Result<State, ProtocolError> {
        let digit = char::from(byte).to_digit(16).ok_or(ProtocolError::Chunk)?;
        let shifted = self.remaining.checked_mul(16).ok_or(ProtocolError::Chunk)?;
        self.remaining = shifted + u64::from(digit);
        self.has_digit = true;
        Ok(State::Size)
    }

    fn size_complete(&mut self) -> State {
        self.has_digit = false;
        if self.remaining == 0 { State::TrailerStart } else { State::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Result<(usize, bool), ProtocolError> {
        Chunked::new().receive(bytes, |_| ())
    }

    #[test]
    fn reads_past_chunks_extensions_and_trailers() {
        let body = b"5 ;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nrest";
        assert_eq!(whole(body), Ok((body.len() - 4, true)));
    }

    #[test]
    fn split_anywhere_it_ends_at_the_same_place() {
        let body = b"3\r\nabc\r\n0\r\n\r\n";
        for cut in 0..body.len() {
            let mut chunked = Chunked::new();
            assert_eq!(chunked.receive(&body[..cut], |_| ()), Ok((cut, false)));
            assert_eq!(chunked.receive(&body[cut..], |_| ()), Ok((body.len() - cut, true)));
        }
    }

    #[test]
    fn broken_framing_is_refused() {
        let framing = [
            &b"\r\n"[..],
            b"xyz\r\n",
            b"2\r\nabc",
            b"1\nx",
            b"fffffffffffffffff\r\n",
            b"1 x\r\n",
            b"1;a\nb\r\n",
        ];
        let trailers = [&b"0\r\nA: 1\n\r\n"[..], b"0\r\n\n", b"0\r\nA: 1\rB\r\n"];
        for broken in framing.into_iter().chain(trailers) {
            assert_eq!(whole(broken), Err(ProtocolError::Chunk), "{broken:?}");
        }
    }

    #[test]
    fn endless_framing_is_refused() {
        let endless = |beginning: &[u8], more: &[u8]| {
            let more = more.repeat(CHUNK_OVERHEAD_LIMIT_BYTES as usize / more.len() + 1);
            whole(&[beginning, &more].concat())
        };
        for beginning in [&b"0\r\n"[..], b"1;", b"1 "] {
            let more = if beginning == b"1 " { b" " } else { b"a" };
            assert_eq!(endless(beginning, more), Err(ProtocolError::ChunkOverhead), "{beginning:?}");
        }
        assert_eq!(endless(b"", b"0"), Err(ProtocolError::ChunkOverhead), "a size with endless zeroes");
    }

    /// Six bytes on the wire for each of data: a few thousand are a stream of events, a million are an attack.
    #[test]
    fn single_bytes_are_refused_where_they_are_endless() {
        let singles = |count: usize| b"1\r\nx\r\n".repeat(count);
        let limit = CHUNK_OVERHEAD_LIMIT_BYTES as usize / 4;
        assert_eq!(whole(&singles(limit - 2)), Ok((6 * (limit - 2), false)));
        assert_eq!(whole(&singles(limit + 2)), Err(ProtocolError::ChunkOverhead));
        // Longer chunks pay for more of them, and not for more than the limit.
        let long = [b"100000\r\n".to_vec(), vec![b'x'; 0x10_0000], b"\r\n".to_vec()].concat();
        let mixed = [singles(limit - 2), long.clone(), singles(limit - 10)].concat();
        assert_eq!(whole(&mixed), Ok((mixed.len(), false)));
        let starved = [long.clone(), long, singles(limit + 2)].concat();
        assert_eq!(whole(&starved), Err(ProtocolError::ChunkOverhead));
    }

    #[test]
    fn chunks_of_five_bytes_may_go_on_for_ever() {
        let body = b"5\r\nhello\r\n".repeat(100_000);
        assert_eq!(whole(&body), Ok((body.len(), false)));
    }
}
