//! The chunked transfer coding, RFC 9112 section 7.1. The data is counted past, never copied.

use crate::ProtocolError;

/// Chunk extensions and trailers together may be this long; both are read past.
const OVERHEAD_LIMIT_BYTES: u32 = 64 * 1024;

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
    overhead: u32,
    state: State,
    has_digit: bool,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { remaining: 0, overhead: 0, state: State::Size, has_digit: false }
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
                on_data(&bytes[at..at + taken as usize]);
                at += taken as usize;
                if self.remaining == 0 {
                    self.state = State::DataEndCr;
                }
            } else {
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
            (State::SizeSpace, b';') => State::Extension,
            (State::SizeSpace, b' ' | b'\t') => self.overhead(State::SizeSpace)?,
            // A lone LF ends no line here: peers that disagree on where one ends can be made to see different messages.
            (State::Extension | State::TrailerStart | State::Trailer, b'\n') => {
                return Err(ProtocolError::Chunk);
            }
            (State::Extension, _) => self.overhead(State::Extension)?,
            (State::SizeEnd, b'\n') => self.size_complete(),
            (State::DataEndCr, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::TrailerStart | State::Trailer, _) => self.overhead(State::Trailer)?,
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

    fn overhead(&mut self, next: State) -> Result<State, ProtocolError> {
        self.overhead += 1;
        if self.overhead > OVERHEAD_LIMIT_BYTES { Err(ProtocolError::Chunk) } else { Ok(next) }
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
    fn an_endless_trailer_is_refused() {
        let endless = [b"0\r\n".as_slice(), &vec![b'a'; OVERHEAD_LIMIT_BYTES as usize + 1]].concat();
        assert_eq!(whole(&endless), Err(ProtocolError::Chunk));
    }
}
