//! Requests come out the same however they are cut, pipelined or not.

use seatrial_wire::{ProtocolError, RequestHead, RequestParser};

use super::pieces::{split_control, ways};

/// Everything that a parser says about the requests of one connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    heads: Vec<Head>,
    /// Where each complete request ended, counted from the start of the stream.
    ends: Vec<usize>,
    error: Option<ProtocolError>,
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    method: String,
    path: String,
    host: String,
    expects_continue: bool,
    keep_alive: bool,
}

/// Panics where anything depends on the cuts, or what was seen does not fit together.
pub(crate) fn check(input: &[u8]) {
    let Some((_, cuts, bytes)) = split_control(input) else { return };
    // A broken head is refused as soon as it is noticed, at the latest with the blank line that ends it.
    let bytes = &[bytes, b"\r\n\r\n"].concat();
    let whole = receive(&[bytes]);
    assert!(whole.ends.is_sorted_by(|earlier, later| earlier < later), "requests overlap: {whole:?}");
    assert!(whole.heads.len() - whole.ends.len() <= 1, "heads and ends do not pair: {whole:?}");
    for pieces in ways(bytes, cuts) {
        let split = receive(&pieces);
        assert_eq!(split, whole, "cut into {:?}", pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
    }
}

fn receive(pieces: &[&[u8]]) -> Seen {
    let mut seen = Seen { heads: Vec::new(), ends: Vec::new(), error: None };
    let mut parser = RequestParser::default();
    let mut before = 0;
    for piece in pieces {
        if let Err(error) = receive_piece(&mut parser, piece, before, &mut seen) {
            seen.error = Some(error);
            break;
        }
        before += piece.len();
    }
    seen
}

fn receive_piece(
    parser: &mut RequestParser,
    piece: &[u8],
    before: usize,
    seen: &mut Seen,
) -> Result<(), ProtocolError> {
    let mut at = 0;
    while at < piece.len() {
        let mut on_head = |head: &RequestHead<'_>| seen.heads.push(owned(head));
        let (consumed, is_complete) = parser.receive(&piece[at..], &mut on_head)?;
        assert!(consumed > 0 && consumed <= piece.len() - at, "{consumed} of {} consumed", piece.len() - at);
        at += consumed;
        assert!(is_complete || at == piece.len(), "an unfinished request leaves bytes unread");
        if is_complete {
            seen.ends.push(before + at);
        }
    }
    Ok(())
}

fn owned(head: &RequestHead<'_>) -> Head {
    assert!(!head.method.is_empty() && !head.path.contains('?'), "{head:?}");
    Head {
        method: head.method.into(),
        path: head.path.into(),
        host: head.host.into(),
        expects_continue: head.expects_continue,
        keep_alive: head.keep_alive,
    }
}
