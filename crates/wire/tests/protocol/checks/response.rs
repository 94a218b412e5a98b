//! A response comes out the same however it is cut, and whether or not its head is known.

use seatrial_wire::{KnownHead, Outcome, ProtocolError, Response, ResponseParser, Sink};

use super::pieces::{split_control, ways};

/// Everything that a parser says about the answer to one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The answer, or what was wrong with it.
    pub(crate) response: Option<Result<Response, ProtocolError>>,
    /// What the sink was given of the head.
    pub(crate) heads: Vec<(u16, Vec<Vec<u8>>)>,
    /// What the sink was given of the body.
    pub(crate) body: Vec<u8>,
}

impl Sink for Seen {
    fn head(&mut self, status: u16, field: &dyn Fn(&str) -> Vec<Vec<u8>>) {
        self.heads.push((status, field("content-type")));
    }

    fn body(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }
}

/// Panics where anything depends on the cuts, or what was seen does not fit together.
pub(crate) fn check(input: &[u8]) {
    let Some((mode, cuts, bytes)) = split_control(input) else { return };
    let answers_head = mode == b'H';
    let whole = receive(&[bytes], answers_head);
    assert_consistent(&whole, bytes.len(), answers_head);
    let mut known = KnownHead::default();
    for time in ["the first", "the second"] {
        let response = receive_with(&mut parser(answers_head), &[bytes], &mut known);
        assert_eq!(Some(response), whole.response, "{time} time that the head is seen");
    }
    for pieces in ways(bytes, cuts) {
        let split = receive(&pieces, answers_head);
        assert_eq!(split, whole, "cut into {:?}", pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
    }
}

/// Gives the pieces to a parser and then closes the connection.
pub(crate) fn receive(pieces: &[&[u8]], answers_head: bool) -> Seen {
    let mut seen = Seen::default();
    seen.response = Some(receive_with(&mut parser(answers_head), pieces, &mut seen));
    seen
}

fn parser(answers_head: bool) -> ResponseParser {
    let mut parser = ResponseParser::default();
    parser.expect(answers_head, false);
    parser
}

fn receive_with(
    parser: &mut ResponseParser,
    pieces: &[&[u8]],
    sink: &mut impl Sink,
) -> Result<Response, ProtocolError> {
    let mut complete = None;
    for piece in pieces {
        match complete {
            // Whoever has closed sees nothing of what follows.
            Some(Response { keep_alive: false, .. }) => break,
            Some(_) if !piece.is_empty() => return Err(ProtocolError::Excess),
            _ => {}
        }
        if let Outcome::Complete(response) = parser.receive(piece, sink)? {
            assert!(!parser.has_started(), "a complete response leaves nothing behind");
            complete = Some(response);
        }
    }
    complete.map_or_else(|| parser.end_of_stream(), Ok)
}

fn assert_consistent(seen: &Seen, given: usize, answers_head: bool) {
    assert!(seen.heads.len() <= 1, "one request, one head: {seen:?}");
    assert!(seen.body.len() <= given, "more body than bytes");
    assert!(seen.heads.len() == 1 || seen.body.is_empty(), "a body without a head: {seen:?}");
    if let Some(Ok(response)) = seen.response {
        assert!((200..1000).contains(&response.status), "{response:?}");
        assert_eq!(seen.heads[0].0, response.status);
        let has_no_body = answers_head || matches!(response.status, 204 | 304);
        assert!(!has_no_body || seen.body.is_empty(), "a body where none can be: {seen:?}");
    }
}
