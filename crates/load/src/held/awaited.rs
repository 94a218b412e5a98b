//! What an idle connection awaits: of the answer to its request no more than the status is looked at, with one byte of
//! memory.

/// The bytes up to the class of the status; the last digit of the version may be any.
const STATUS_LINE: &[u8] = b"HTTP/1.? ";
const NOTHING: u8 = 0;
/// That many more than it are bytes of `STATUS_LINE` that have come.
const STATUS: u8 = 1;
/// That many more than it are line ends in a row within the head of an informational answer, which is to be passed over.
const INTERIM: u8 = 32;

/// How far the answer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Awaited(u8);

impl Awaited {
    pub(super) fn is_open(self) -> bool {
        self.0 != NOTHING
    }

    /// A request has been sent; returns whether the one before it still has no answer.
    pub(super) fn asked(&mut self) -> bool {
        let was_open = self.is_open();
        self.0 = STATUS;
        was_open
    }

    /// Nothing is awaited any more; returns whether something was.
    pub(super) fn give_up(&mut self) -> bool {
        std::mem::replace(&mut self.0, NOTHING) != NOTHING
    }

    /// Looks at bytes that have come; returns the first digit of the status once it is there. What comes before the
    /// status line is the rest of an earlier answer.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<u8> {
        for &byte in bytes {
            self.0 = match self.0 {
                NOTHING => return None,
                state if state >= INTERIM => in_interim(state, byte),
                state if usize::from(state - STATUS) == STATUS_LINE.len() => match byte {
                    b'1' => INTERIM,
                    b'2'..=b'9' => {
                        self.0 = NOTHING;
                        return Some(byte - b'0');
                    }
                    _ => STATUS,
                },
                state => in_status_line(state, byte),
            };
        }
        None
    }
}

fn in_status_line(state: u8, byte: u8) -> u8 {
    let expected = STATUS_LINE[usize::from(state - STATUS)];
    let fits = byte == expected || expected == b'?' && byte.is_ascii_digit();
    if fits { state + 1 } else { STATUS + u8::from(byte == STATUS_LINE[0]) }
}

fn in_interim(state: u8, byte: u8) -> u8 {
    match byte {
        b'\n' if state > INTERIM => STATUS,
        b'\n' => state + 1,
        b'\r' => state,
        _ => INTERIM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a text, however it is cut.
    fn found(text: &str) -> Option<u8> {
        let whole = {
            let mut awaited = Awaited::default();
            awaited.asked();
            awaited.read(text.as_bytes())
        };
        let mut awaited = Awaited::default();
        awaited.asked();
        let singly = text.as_bytes().iter().find_map(|byte| awaited.read(&[*byte]));
        assert_eq!(whole, singly);
        whole
    }

    #[test]
    fn the_class_of_the_status_is_found_wherever_the_bytes_are_cut() {
        assert_eq!(found("HTTP/1.1 200 OK\r\n"), Some(2));
        assert_eq!(found("HTTP/1.0 503 Busy\r\n"), Some(5));
        assert_eq!(found("rest of a body HTTHTTP/1.1 404 \r\n"), Some(4));
        assert_eq!(found("HTTP/1.1 100 Continue\r\nA: 2\r\n\r\nHTTP/1.1 302 Found\r\n"), Some(3));
        assert_eq!(found("HTTP/1.1 103 Early Hints\r\nA: HTTP/1.1 200\r\n"), None);
        assert_eq!(found("SSH-2.0-OpenSSH\r\n"), None);
    }

    #[test]
    fn a_request_before_the_answer_to_the_last_says_so() {
        let mut awaited = Awaited::default();
        assert!(!awaited.asked());
        assert!(awaited.asked());
        assert_eq!(awaited.read(b"HTTP/1.1 200 OK"), Some(2));
        assert!(!awaited.is_open() && !awaited.asked() && awaited.give_up() && !awaited.give_up());
        assert_eq!(awaited.read(b"HTTP/1.1 200 OK"), None);
    }
}
