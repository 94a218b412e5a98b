//! Where a message's body ends, RFC 9112 section 6.3.

use crate::ProtocolError;
use crate::chunked::Chunked;

/// A body that is being read past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// This many bytes are still to come.
    Length(u64),
    /// It says itself where it ends.
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
}

impl Body {
    /// Reads on, giving data to `on_data`; returns how many bytes belong to the body and whether it is complete.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        mut on_data: impl FnMut(&[u8]),
    ) -> Result<(usize, bool), ProtocolError> {
        match self {
            Self::Length(remaining) => {
                let taken = (*remaining).min(bytes.len() as u64);
                *remaining -= taken;
                on_data(&bytes[..taken as usize]);
                Ok((taken as usize, *remaining == 0))
            }
            Self::Chunked(chunked) => chunked.receive(bytes, on_data),
            Self::UntilClose => {
                on_data(bytes);
                Ok((bytes.len(), false))
            }
        }
    }
}

/// What the fields of a head say about the body and the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    length: Length,
    pub(crate) has_transfer_encoding: bool,
    /// It names `identity`, which is no coding: RFC 2616 had it, and servers still say it.
    pub(crate) has_identity: bool,
    pub(crate) coding: Coding,
    connection_close: bool,
    connection_keep_alive: bool,
}

/// What Transfer-Encoding does to the body, as far as its end is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Nothing.
    #[default]
    None,
    /// The final coding is chunked.
    Chunked,
    /// The final coding is another, of which nobody can see the end.
    Other,
}

/// What Content-Length says. It is wrong only where it is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Absent,
    Known(u64),
    Invalid,
}

impl Framing {
    /// Reads the fields that matter and ignores the others.
    pub(crate) fn read(headers: &[httparse::Header<'_>]) -> Self {
        let mut framing = Self::default();
        for header in headers {
            // Lengths are compared first: almost every field is ruled out without looking at its name.
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    framing.add_content_length(header.value);
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    framing.add_codings(header.value);
                }
                10 if header.name.eq_ignore_ascii_case("connection") => framing.add_connection(header.value),
                _ => {}
            }
        }
        framing
    }

    /// The length of a body whose end nothing else says.
    pub(crate) fn content_length(&self) -> Result<Option<u64>, ProtocolError> {
        match self.length {
            Length::Absent => Ok(None),
            Length::Known(length) => Ok(Some(length)),
            Length::Invalid => Err(ProtocolError::ContentLength),
        }
    }

    /// Whether two fields say where the body ends; a server must close after such a request, RFC 9112 section 6.1.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.has_transfer_encoding && self.length != Length::Absent
    }

    fn add_content_length(&mut self, value: &[u8]) {
        // A list of equal values is allowed (RFC 9110 section 8.6).
        for part in value.split(|&byte| byte == b',') {
            self.length = match (self.length, parse_length(part.trim_ascii())) {
                (Length::Absent, Some(length)) => Length::Known(length),
                (Length::Known(earlier), Some(length)) if earlier == length => Length::Known(length),
                _ => Length::Invalid,
            };
        }
    }

    fn add_codings(&mut self, value: &[u8]) {
        self.has_transfer_encoding = true;
        for coding in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if coding.eq_ignore_ascii_case(b"identity") {
                self.has_identity = true;
            } else if coding.eq_ignore_ascii_case(b"chunked") {
                self.coding = Coding::Chunked;
            } else if !coding.is_empty() {
                self.coding = Coding::Other;
            }
        }
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            self.connection_close |= option.eq_ignore_ascii_case(b"close");
            self.connection_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// Whether the connection stays open after the message, RFC 9112 section 9.3.
    pub(crate) fn keeps_alive(&self, version: u8) -> bool {
        // HTTP/1.0 has no transfer codings: where the message ended is a guess (section 6.1).
        let may_reuse = version >= 1 || (self.connection_keep_alive && !self.has_transfer_encoding);
        may_reuse && !self.connection_close
    }
}

fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(name: &str, values: &[&[u8]]) -> Framing {
        let headers: Vec<_> = values.iter().map(|value| httparse::Header { name, value }).collect();
        Framing::read(&headers)
    }

    #[test]
    fn equal_lengths_agree_and_others_do_not() {
        assert_eq!(framing("Content-Length", &[b"5", b"5, 5"]).content_length(), Ok(Some(5)));
        for wrong in [&[&b"5"[..], b"6"][..], &[b"-1"], &[b"+1"], &[b""], &[b"99999999999999999999"]] {
            assert_eq!(
                framing("Content-Length", wrong).content_length(),
                Err(ProtocolError::ContentLength),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn only_a_last_chunked_coding_frames() {
        for (values, coding) in [
            (&[&b"gzip, chunked"[..]][..], Coding::Chunked),
            (&[b"chunked, gzip"], Coding::Other),
            (&[b"chunked", b"gzip"], Coding::Other),
            (&[b"gzip", b"chunked, "], Coding::Chunked),
            (&[b"identity"], Coding::None),
            (&[b"identity, chunked"], Coding::Chunked),
            (&[b"chunked", b"IDENTITY"], Coding::Chunked),
            (&[b"gzip, identity"], Coding::Other),
            (&[b" , "], Coding::None),
        ] {
            assert_eq!(framing("Transfer-Encoding", values).coding, coding, "{values:?}");
        }
    }

    #[test]
    fn connection_options_are_a_list() {
        let close = framing("connection", &[b"Upgrade, CLOSE"]);
        assert!(!close.keeps_alive(1));
        assert!(framing("connection", &[b"keep-alive"]).keeps_alive(0));
        assert!(!Framing::default().keeps_alive(0));
    }
}
