//! The client's side: one response at a time, no pipelining.

use std::mem::MaybeUninit;

use crate::body::{Body, Coding, Framing};
use crate::head::{Head, PartialHead, head_error, may_go_on, within_limit};
use crate::{HEADER_LIMIT, INFORMATIONAL_LIMIT, ProtocolError};

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

    /// The head of the final response has arrived; `field` finds every value of a header field, whatever its case.
    fn head(&mut self, _status: u16, _field: &dyn Fn(&str) -> Vec<Vec<u8>>) {}

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
    is_last: bool,
    /// Informational answers since the request.
    informational: u8,
}

impl Default for ResponseParser {
    fn default() -> Self {
        Self {
            state: State::Head,
            partial: PartialHead::default(),
            response: Response { status: 0, keep_alive: false },
            answers_head_request: false,
            is_last: false,
            informational: 0,
        }
    }
}

impl ResponseParser {
    /// Says what is answered next: a response to HEAD has no body whatever its fields say, and nothing that follows one
    /// that is the last of its connection, for the client's own reasons, matters.
    #[inline]
    pub fn expect(&mut self, answers_head_request: bool, is_last: bool) {
        (self.answers_head_request, self.is_last) = (answers_head_request, is_last);
    }

    /// Forgets what was read: for a new connection.
    pub fn reset(&mut self) {
        (self.state, self.informational) = (State::Head, 0);
        self.partial.clear();
    }

    /// Whether any byte of a response has been read.
    pub fn has_started(&self) -> bool {
        !(matches!(self.state, State::Head) && self.partial.is_empty())
    }

    /// Takes everything that a read gave, and shows it to a sink (`()` where nobody wants to see it). Bytes after the
    /// end of a response are an error: none were asked for. But where the connection ends with the response, whoever
    /// reads slowly never sees them: there they are none.
    #[inline]
    pub fn receive(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<Outcome, ProtocolError> {
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
                let may_follow = self.is_last || !self.response.keep_alive;
                return if bytes.is_empty() || may_follow { Ok(outcome) } else { Err(ProtocolError::Excess) };
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
                // Whatever was broken from the start is reported as that.
                let pieces = std::mem::take(&mut self.partial);
                Self::parse_head(pieces.as_bytes(), &mut ())?;
                Err(ProtocolError::PrematureClose)
            }
            State::Head | State::Body(_) => Err(ProtocolError::PrematureClose),
        }
    }

    fn complete(&mut self) -> Outcome {
        (self.state, self.informational) = (State::Head, 0);
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
                Parsed::Interim(consumed) => {
                    self.informational += 1;
                    let is_bearable = self.informational <= INFORMATIONAL_LIMIT;
                    let outcome = is_bearable.then_some(Some((consumed, Outcome::NeedMore)));
                    return outcome.ok_or(ProtocolError::Informational);
                }
                Parsed::Unfinished => return Ok(None),
            },
        };
        self.begin_body(&head).map(|outcome| Some((consumed, outcome)))
    }

    fn parse_head(bytes: &[u8], sink: &mut impl Sink) -> Result<Parsed, ProtocolError> {
        let mut headers = [MaybeUninit::uninit(); HEADER_LIMIT];
        let mut head = httparse::Response::new(&mut []);
        // RFC 9112 section 5.2: a client reads a field that goes on in the next line, as old servers write it.
        let parsed = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .parse_response_with_uninit_headers(&mut head, within_limit(bytes), &mut headers);
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
            let found = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| unfolded(header.value)).collect()
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
        let body = match framing.coding {
            Coding::Chunked => Body::Chunked(crate::chunked::Chunked::new()),
            Coding::Other => Body::UntilClose,
            Coding::None => match framing.content_length()? {
                Some(0) => return Ok(self.complete()),
                Some(length) => Body::Length(length),
                None => Body::UntilClose,
            },
        };
        self.response.keep_alive &= body != Body::UntilClose;
        self.state = State::Body(body);
        Ok(Outcome::NeedMore)
    }
}

/// A field's value in one line: a space for each line's end and the blanks around it.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = value.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    lines.join(&b' ')
}

#[cfg(test)]
mod tests;
