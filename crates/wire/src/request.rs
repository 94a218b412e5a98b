//! The server's side: requests off one connection, pipelined or not.

use std::mem::MaybeUninit;

use crate::body::{Body, Coding, Framing};
use crate::head::{PartialHead, head_error, may_go_on, within_limit};
use crate::{HEADER_LIMIT, ProtocolError};

/// The field with which a request asks its answer to name the endpoint that gives it; the answer's has the address.
pub const ENDPOINT_FIELD: &str = "seatrial-endpoint";

/// The head of a request, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target without its query.
    pub path: &'a str,
    /// The Host field without a port, or "" where there is none.
    pub host: &'a str,
    /// Whether the client asks for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether the client asks which endpoint answers: [`ENDPOINT_FIELD`].
    pub asks_endpoint: bool,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Body),
}

/// Reads requests off one connection.
#[derive(Debug)]
pub struct RequestParser {
    state: State,
    partial: PartialHead,
}

impl Default for RequestParser {
    fn default() -> Self {
        Self { state: State::Head, partial: PartialHead::default() }
    }
}

impl RequestParser {
    /// Takes a piece of input up to the end of the current request. `on_head` is called once for each head, before its
    /// body is read. Returns how much was consumed, and whether a request is now complete.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        on_head: &mut impl FnMut(&RequestHead<'_>),
    ) -> Result<(usize, bool), ProtocolError> {
        let mut at = 0;
        while at < bytes.len() {
            let (consumed, is_complete) = match &mut self.state {
                State::Head => self.receive_head(&bytes[at..], on_head)?,
                State::Body(body) => body.receive(&bytes[at..], |_| ())?,
            };
            at += consumed;
            if is_complete {
                self.state = State::Head;
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    fn receive_head(
        &mut self,
        bytes: &[u8],
        on_head: &mut impl FnMut(&RequestHead<'_>),
    ) -> Result<(usize, bool), ProtocolError> {
        if self.partial.is_empty() {
            let parsed = self.parse_head(bytes, on_head)?;
            return Ok(parsed.unwrap_or_else(|| {
                self.partial.push(bytes);
                (bytes.len(), false)
            }));
        }
        let kept = self.partial.len();
        if !self.partial.push(bytes) {
            return Ok((bytes.len(), false));
        }
        let pieces = std::mem::take(&mut self.partial);
        if let Some((consumed, is_complete)) = self.parse_head(pieces.as_bytes(), on_head)? {
            return Ok((consumed - kept, is_complete));
        }
        // The blank line came before the head: it is no end of one.
        self.partial = pieces;
        Ok((bytes.len(), false))
    }

    fn parse_head(
        &mut self,
        bytes: &[u8],
        on_head: &mut impl FnMut(&RequestHead<'_>),
    ) -> Result<Option<(usize, bool)>, ProtocolError> {
        let mut headers = [MaybeUninit::uninit(); HEADER_LIMIT];
        let mut head = httparse::Request::new(&mut []);
        let parsed = head.parse_with_uninit_headers(within_limit(bytes), &mut headers);
        let httparse::Status::Complete(consumed) = parsed.map_err(head_error)? else {
            return may_go_on(bytes).map(|()| None);
        };
        let framing = Framing::read(head.headers);
        on_head(&RequestHead {
            method: head.method.unwrap_or(""),
            path: without_query(head.path.unwrap_or("/")),
            host: host_of(head.headers),
            expects_continue: field(head.headers, "expect")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue")),
            asks_endpoint: field(head.headers, ENDPOINT_FIELD).is_some(),
            keep_alive: framing.keeps_alive(head.version.unwrap_or(0)) && !framing.is_ambiguous(),
        });
        Ok(Some((consumed, self.begin_body(&framing)?)))
    }

    /// Returns whether the request ends with its head.
    fn begin_body(&mut self, framing: &Framing) -> Result<bool, ProtocolError> {
        let body = if framing.coding == Coding::Chunked && !framing.has_identity {
            Body::Chunked(crate::chunked::Chunked::new())
        } else if framing.has_transfer_encoding {
            // RFC 9112 section 6.3: a request with another coding has no end that a server could find. What `identity`
            // means is a matter of opinion, and servers that differ in it can be made to see different requests.
            return Err(ProtocolError::Head);
        } else {
            match framing.content_length()? {
                None | Some(0) => return Ok(true),
                Some(length) => Body::Length(length),
            }
        };
        self.state = State::Body(body);
        Ok(false)
    }
}

fn without_query(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

fn host_of<'a>(headers: &[httparse::Header<'a>]) -> &'a str {
    let host = field(headers, "host").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("");
    match host.rfind(':') {
        // The colons inside an IPv6 literal are not the port's.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn field<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(bytes: &[u8], piece: usize) -> Result<Vec<(String, String, bool)>, ProtocolError> {
        let mut parser = RequestParser::default();
        let mut heads = Vec::new();
        for chunk in bytes.chunks(piece) {
            let mut at = 0;
            while at < chunk.len() {
                let mut on_head = |head: &RequestHead<'_>| {
                    heads.push((head.host.to_owned(), head.path.to_owned(), head.keep_alive));
                };
                at += parser.receive(&chunk[at..], &mut on_head)?.0;
            }
        }
        Ok(heads)
    }

    #[test]
    fn pipelined_requests_in_any_pieces() {
        let input = b"GET /a?q=1 HTTP/1.1\r\nHost: one.example:80\r\n\r\n\
            POST /b HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc\
            GET /c HTTP/1.1\r\nConnection: close\r\n\r\n";
        let expected = vec![
            ("one.example".into(), "/a".into(), true),
            ("[::1]".into(), "/b".into(), true),
            (String::new(), "/c".into(), false),
        ];
        for piece in [1, 2, 7, 50, input.len()] {
            assert_eq!(heads(input, piece).as_ref(), Ok(&expected), "pieces of {piece}");
        }
    }

    #[test]
    fn a_request_with_an_unknown_coding_is_refused() {
        for coding in ["gzip", "identity", "chunked, identity", ""] {
            let input =
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: {coding}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(heads(input.as_bytes(), input.len()), Err(ProtocolError::Head), "{coding}");
        }
    }
}
