//! Most answers of a server begin with the very bytes that the last one began with: such a head is compared, not parsed.

use crate::head::Head;
use crate::response::Sink;

/// The last head that was parsed, of whichever connection, and what it says. The same bytes always say the same.
#[derive(Debug, Default)]
pub struct KnownHead {
    bytes: Vec<u8>,
    head: Option<Head>,
}

impl Sink for KnownHead {
    #[inline]
    fn recall(&self, bytes: &[u8]) -> Option<(usize, Head)> {
        let head = self.head?;
        bytes.starts_with(&self.bytes).then_some((self.bytes.len(), head))
    }

    fn keep(&mut self, bytes: &[u8], head: &Head) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.head = Some(*head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Outcome, ProtocolError, Response, ResponseParser};

    const TEA: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    const POT: &[u8] = b"HTTP/1.1 418 OK\r\nContent-Length: 0\r\n\r\n";

    fn answer(known: &mut KnownHead, head: &[u8], body: &[u8]) -> Result<Outcome, ProtocolError> {
        ResponseParser::default().receive(&[head, body].concat(), known)
    }

    #[test]
    fn a_head_is_known_by_all_of_its_bytes() {
        let mut known = KnownHead::default();
        assert!(known.recall(TEA).is_none());
        assert!(known.recall(b"").is_none());
        answer(&mut known, TEA, b"tea").expect("an answer");
        assert_eq!(known.recall(&[TEA, b"pot"].concat()).map(|(len, _)| len), Some(TEA.len()));
        for other in [POT, &TEA[..TEA.len() - 1], &TEA[1..], &TEA.to_ascii_lowercase()] {
            assert!(known.recall(other).is_none(), "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn what_follows_a_known_head_is_read_as_ever() {
        let mut known = KnownHead::default();
        for _ in 0..2 {
            let tea = Response { status: 200, keep_alive: true };
            assert_eq!(answer(&mut known, TEA, b"tea"), Ok(Outcome::Complete(tea)));
            assert_eq!(answer(&mut known, TEA, b"te"), Ok(Outcome::NeedMore));
            assert_eq!(answer(&mut known, TEA, b"teas"), Err(ProtocolError::Excess));
        }
    }

    #[test]
    fn a_known_head_means_no_body_where_none_can_be() {
        let mut known = KnownHead::default();
        answer(&mut known, TEA, b"tea").expect("an answer to GET");
        let mut parser = ResponseParser::default();
        parser.expect(true, false);
        let tea = Response { status: 200, keep_alive: true };
        assert_eq!(parser.receive(TEA, &mut known), Ok(Outcome::Complete(tea)));
    }

    #[test]
    fn an_interim_head_is_not_kept() {
        let mut known = KnownHead::default();
        answer(&mut known, b"HTTP/1.1 100 Continue\r\n\r\n", b"").expect("an interim answer");
        assert!(known.head.is_none());
    }
}
