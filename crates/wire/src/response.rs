//! The client's side: one response at a time, no pipelining.

use std::mem::MaybeUninit;

use crate::body::{Body, Framing};
use crate::head::{PartialHead, head_error, may_go_on, within_limit};
use crate::known::Head;
use crate::{HEADER_LIMIT, ProtocolError};

/// A response that has arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 999.
    pub status: u16,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

/// What came of a piece of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response goes on.
    NeedMore,
    /// The response is complete.
    Complete(Response),
}

/// Whoever wants to see more of a response than its status. The default sees nothing, and costs nothing.
pub trait Sink {
    /// The length and the meaning of the head at the start of `bytes`, for one who knows it: it is not parsed, nor is
    /// [`Sink::head`] called.
    fn recall(&self, _bytes: &[u8]) -> Option<(usize, Head)> {
        None
    }

    /// These bytes, a whole head of a final response, were parsed.
    fn keep(&mut self, _bytes: &[u8], _head: &Head) {}

    /// The head of the final response has arrived; `field` finds a header field's first value, whatever its case.
    fn head(&mut self, _status: u16, _field: &dyn Fn(&str) -> Option<Vec<u8>>) {}

    /// A piece of the body has arrived, without any transfer coding.
    fn body(&mut self, _bytes: &[u8]) {}
}

impl Sink for () {}

#[derive(Debug)]
enum State {
    Head,
    Body(Body),
}

/// What is at the start of some bytes.
enum Parsed {
    Unfinished,
    /// An interim response's head, of this length.
    Interim(usize),
    /// The head of the response itself, of this length.
    Final(usize, Head),
}

/// Reads responses off one connection. Feed it what arrives; it keeps nothing but an unfinished head.
#[derive(Debug)]
pub struct ResponseParser {
    state: State,
    partial: PartialHead,
    response: Response,
    answers_head_request: bool,
}

impl Default for ResponseParser {
    fn default() -> Self {
        Self {
            state: State::Head,
            partial: PartialHead::default(),
            response: Response { status: 0, keep_alive: false },
            answers_head_request: false,
        }
    }
}

impl ResponseParser {
    /// Says what is answered next: a response to HEAD has no body whatever its fields say.
    #[inline]
    pub fn expect(&mut self, answers_head_request: bool) {
        self.answers_head_request = answers_head_request;
    }

    /// Forgets what was read: for a new connection.
    pub fn reset(&mut self) {
        self.state = State::Head;
        self.partial.clear();
    }

    /// Whether any byte of a response has been read.
    pub fn has_started(&self) -> bool {
        !(matches!(self.state, State::Head) && self.partial.is_empty())
    }

    /// Takes everything that a read gave. Bytes after the end of the response are an error: none were asked for.
    #[inline]
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Outcome, ProtocolError> {
        self.receive_into(bytes, &mut ())
    }

    /// As [`Self::receive`], showing what arrives to a sink.
    #[inline]
    pub fn receive_into(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<Outcome, ProtocolError> {
        while !bytes.is_empty() {
            let (consumed, outcome) = match &mut self.state {
                State::Head => self.receive_head(bytes, sink)?,
                State::Body(body) => {
                    let (consumed, is_complete) = body.receive(bytes, |data| sink.body(data))?;
                    (consumed, if is_complete { self.complete() } else { Outcome::NeedMore })
                }
            };
            bytes = &bytes[consumed..];
            if let Outcome::Complete(_) = outcome {
                return if bytes.is_empty() { Ok(outcome) } else { Err(ProtocolError::Excess) };
            }
        }
        Ok(Outcome::NeedMore)
    }

    /// The peer has closed. Completes a body that ends with the connection; anything else was cut.
    pub fn end_of_stream(&mut self) -> Result<Response, ProtocolError> {
        match self.state {
            State::Body(Body::UntilClose) => {
                self.complete();
                Ok(self.response)
            }
            State::Head if !self.partial.is_empty() => {
                // Whatever was broken from the start is told as that.
                let pieces = std::mem::take(&mut self.partial);
                Self::parse_head(pieces.as_bytes(), &mut ())?;
                Err(ProtocolError::PrematureClose)
            }
            State::Head | State::Body(_) => Err(ProtocolError::PrematureClose),
        }
    }

    fn complete(&mut self) -> Outcome {
        self.state = State::Head;
        Outcome::Complete(self.response)
    }

    fn receive_head(
        &mut self,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<(usize, Outcome), ProtocolError> {
        if self.partial.is_empty() {
            let taken = self.take_head(bytes, sink)?;
            return Ok(taken.unwrap_or_else(|| {
                self.partial.push(bytes);
                (bytes.len(), Outcome::NeedMore)
            }));
        }
        let kept = self.partial.len();
        if !self.partial.push(bytes) {
            return Ok((bytes.len(), Outcome::NeedMore));
        }
        let pieces = std::mem::take(&mut self.partial);
        if let Some((consumed, outcome)) = self.take_head(pieces.as_bytes(), sink)? {
            return Ok((consumed - kept, outcome));
        }
        // The blank line came before the head: it is no end of one.
        self.partial = pieces;
        Ok((bytes.len(), Outcome::NeedMore))
    }

    /// Takes a head at the start of `bytes`; `None` where it is not whole yet.
    #[inline]
    fn take_head(
        &mut self,
        bytes: &[u8],
        sink: &mut impl Sink,
    ) -> Result<Option<(usize, Outcome)>, ProtocolError> {
        let (consumed, head) = match sink.recall(bytes) {
            Some(known) => known,
            None => match Self::parse_head(bytes, sink)? {
                Parsed::Final(consumed, head) => (consumed, head),
                Parsed::Interim(consumed) => return Ok(Some((consumed, Outcome::NeedMore))),
                Parsed::Unfinished => return Ok(None),
            },
        };
        self.begin_body(&head).map(|outcome| Some((consumed, outcome)))
    }

    fn parse_head(bytes: &[u8], sink: &mut impl Sink) -> Result<Parsed, ProtocolError> {
        let mut headers = [MaybeUninit::uninit(); HEADER_LIMIT];
        let mut head = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut head,
            within_limit(bytes),
            &mut headers,
        );
        let httparse::Status::Complete(consumed) = parsed.map_err(head_error)? else {
            return may_go_on(bytes).map(|()| Parsed::Unfinished);
        };
        let status = head.code.ok_or(ProtocolError::Head)?;
        if status < 200 {
            // An interim response comes before the real one; 101 would end HTTP, and was never asked for.
            let is_interim = (100..200).contains(&status) && status != 101;
            return if is_interim { Ok(Parsed::Interim(consumed)) } else { Err(ProtocolError::Head) };
        }
        let framing = Framing::read(head.headers);
        let keep_alive = framing.keeps_alive(head.version.unwrap_or(0));
        let meaning = Head { status, keep_alive, framing };
        sink.head(status, &|name| {
            let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| header.value.to_vec())
        });
        sink.keep(&bytes[..consumed], &meaning);
        Ok(Parsed::Final(consumed, meaning))
    }

    /// RFC 9112 section 6.3, in its order.
    fn begin_body(&mut self, head: &Head) -> Result<Outcome, ProtocolError> {
        let Head { status, keep_alive, framing } = head;
        self.response = Response { status: *status, keep_alive: *keep_alive };
        let has_no_body = self.answers_head_request || matches!(status, 204 | 304);
        if has_no_body {
            return Ok(self.complete());
        }
        let body = if framing.is_chunked {
            Body::Chunked(crate::chunked::Chunked::new())
        } else if framing.has_transfer_encoding {
            Body::UntilClose
        } else {
            match framing.content_length()? {
                Some(0) => return Ok(self.complete()),
                Some(length) => Body::Length(length),
                None => Body::UntilClose,
            }
        };
        self.response.keep_alive &= body != Body::UntilClose;
        self.state = State::Body(body);
        Ok(Outcome::NeedMore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "it stands where a Result is compared")]
    fn ok(status: u16, keep_alive: bool) -> Result<Outcome, ProtocolError> {
        Ok(Outcome::Complete(Response { status, keep_alive }))
    }

    /// Feeds the bytes whole, then split at every byte, then byte by byte: the outcome must be the same.
    fn parse_every_way(bytes: &[u8]) -> Result<Outcome, ProtocolError> {
        let whole = ResponseParser::default().receive(bytes);
        for cut in 1..bytes.len() {
            let mut parser = ResponseParser::default();
            let split = parser.receive(&bytes[..cut]).and_then(|first| match first {
                Outcome::NeedMore => parser.receive(&bytes[cut..]),
                Outcome::Complete(_) => Err(ProtocolError::Excess),
            });
            assert_eq!(split.is_ok(), whole.is_ok(), "cut at {cut}: {split:?}, whole: {whole:?}");
            if whole.is_ok() {
                assert_eq!(split, whole, "cut at {cut}");
            }
        }
        let mut parser = ResponseParser::default();
        let mut last = Ok(Outcome::NeedMore);
        for byte in bytes {
            last = parser.receive(std::slice::from_ref(byte));
            if last.is_err() {
                break;
            }
        }
        assert_eq!(last.is_ok(), whole.is_ok(), "byte by byte");
        whole
    }

    #[test]
    fn content_length() {
        assert_eq!(parse_every_way(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), ok(200, true));
        assert_eq!(parse_every_way(b"HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n"), ok(404, true));
    }

    #[test]
    fn chunked() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(parse_every_way(chunked), ok(200, true));
    }

    #[test]
    fn chunked_wins_over_a_content_length() {
        let both = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(parse_every_way(both), ok(200, true));
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(parse_every_way(interim), ok(200, true));
    }

    #[test]
    fn statuses_without_a_body() {
        assert_eq!(parse_every_way(b"HTTP/1.1 204 No Content\r\n\r\n"), ok(204, true));
        assert_eq!(parse_every_way(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), ok(304, true));
        let mut head = ResponseParser::default();
        head.expect(true);
        assert_eq!(head.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), ok(200, true));
    }

    #[test]
    fn a_body_may_end_with_the_connection() {
        let mut parser = ResponseParser::default();
        assert_eq!(parser.receive(b"HTTP/1.1 200 OK\r\n\r\nanything"), Ok(Outcome::NeedMore));
        assert_eq!(parser.end_of_stream(), Ok(Response { status: 200, keep_alive: false }));
    }

    #[test]
    fn an_early_end_is_an_error() {
        let mut parser = ResponseParser::default();
        assert_eq!(parser.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), Ok(Outcome::NeedMore));
        assert!(parser.has_started());
        assert_eq!(parser.end_of_stream(), Err(ProtocolError::PrematureClose));
    }

    #[test]
    fn keep_alive_follows_version_and_field() {
        assert_eq!(
            parse_every_way(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
            ok(200, false)
        );
        assert_eq!(parse_every_way(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), ok(200, false));
        assert_eq!(
            parse_every_way(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
            ok(200, true)
        );
    }

    #[test]
    fn several_responses_follow_each_other() {
        let mut parser = ResponseParser::default();
        for _ in 0..3 {
            assert_eq!(parser.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"), ok(200, true));
            assert!(!parser.has_started());
        }
    }

    #[test]
    fn garbage_and_excess_are_refused() {
        assert_eq!(parse_every_way(b"\x16\x03\x01 not http at all\r\n\r\n"), Err(ProtocolError::Head));
        assert_eq!(parse_every_way(b"HTTP/1.1 101 Switching\r\n\r\n"), Err(ProtocolError::Head));
        let excess = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy";
        assert_eq!(ResponseParser::default().receive(excess), Err(ProtocolError::Excess));
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut parser = ResponseParser::default();
        let mut outcome = parser.receive(b"HTTP/1.1 200 OK\r\n");
        let line = [b"X-Endless: ".as_slice(), &[b'a'; 1000], b"\r\n"].concat();
        for _ in 0..100 {
            if outcome.is_err() {
                break;
            }
            outcome = parser.receive(&line);
        }
        assert_eq!(outcome, Err(ProtocolError::HeadTooLarge));
    }

    #[test]
    fn a_sink_sees_fields_and_the_decoded_body() {
        #[derive(Default)]
        struct Seen(Option<Vec<u8>>, Vec<u8>);
        impl Sink for Seen {
            fn head(&mut self, _: u16, field: &dyn Fn(&str) -> Option<Vec<u8>>) {
                self.0 = field("x-kind");
            }

            fn body(&mut self, bytes: &[u8]) {
                self.1.extend_from_slice(bytes);
            }
        }
        let chunked =
            b"HTTP/1.1 200 OK\r\nX-Kind: tea\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for piece in [1, 3, chunked.len()] {
            let (mut parser, mut seen) = (ResponseParser::default(), Seen::default());
            for bytes in chunked.chunks(piece) {
                parser.receive_into(bytes, &mut seen).expect("valid");
            }
            assert_eq!(
                (seen.0.as_deref(), seen.1.as_slice()),
                (Some(b"tea".as_slice()), b"abcde".as_slice())
            );
        }
    }

    #[test]
    fn a_connection_stays_small() {
        assert!(size_of::<ResponseParser>() <= 48, "{}", size_of::<ResponseParser>());
    }
}
