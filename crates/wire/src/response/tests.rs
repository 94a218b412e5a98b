use super::*;

#[expect(clippy::unnecessary_wraps, reason = "it stands where a Result is compared")]
fn ok(status: u16, keep_alive: bool) -> Result<Outcome, ProtocolError> {
    Ok(Outcome::Complete(Response { status, keep_alive }))
}

/// Feeds the bytes whole, then split at every byte, then byte by byte: the outcome must be the same.
fn parse_every_way(bytes: &[u8]) -> Result<Outcome, ProtocolError> {
    let whole = ResponseParser::default().receive(bytes, &mut ());
    for cut in 1..bytes.len() {
        let mut parser = ResponseParser::default();
        let split = parser.receive(&bytes[..cut], &mut ()).and_then(|first| match first {
            Outcome::NeedMore => parser.receive(&bytes[cut..], &mut ()),
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
        last = parser.receive(std::slice::from_ref(byte), &mut ());
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
    assert_eq!(head.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", &mut ()), ok(200, true));
}

#[test]
fn a_body_may_end_with_the_connection() {
    let mut parser = ResponseParser::default();
    assert_eq!(parser.receive(b"HTTP/1.1 200 OK\r\n\r\nanything", &mut ()), Ok(Outcome::NeedMore));
    assert_eq!(parser.end_of_stream(), Ok(Response { status: 200, keep_alive: false }));
}

#[test]
fn an_early_end_is_an_error() {
    let mut parser = ResponseParser::default();
    assert_eq!(
        parser.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", &mut ()),
        Ok(Outcome::NeedMore)
    );
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
        assert_eq!(parser.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", &mut ()), ok(200, true));
        assert!(!parser.has_started());
    }
}

#[test]
fn garbage_and_excess_are_refused() {
    assert_eq!(parse_every_way(b"\x16\x03\x01 not http at all\r\n\r\n"), Err(ProtocolError::Head));
    assert_eq!(parse_every_way(b"HTTP/1.1 101 Switching\r\n\r\n"), Err(ProtocolError::Head));
    let excess = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy";
    assert_eq!(ResponseParser::default().receive(excess, &mut ()), Err(ProtocolError::Excess));
}

#[test]
fn an_endless_head_is_refused() {
    let mut parser = ResponseParser::default();
    let mut outcome = parser.receive(b"HTTP/1.1 200 OK\r\n", &mut ());
    let line = [b"X-Endless: ".as_slice(), &[b'a'; 1000], b"\r\n"].concat();
    for _ in 0..100 {
        if outcome.is_err() {
            break;
        }
        outcome = parser.receive(&line, &mut ());
    }
    assert_eq!(outcome, Err(ProtocolError::HeadTooLarge));
}

#[test]
fn a_sink_sees_fields_and_the_decoded_body() {
    #[derive(Default)]
    struct Seen(Vec<Vec<u8>>, Vec<u8>);
    impl Sink for Seen {
        fn head(&mut self, _: u16, field: &dyn Fn(&str) -> Vec<Vec<u8>>) {
            self.0 = field("x-kind");
        }

        fn body(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
    }
    let chunked =
        b"HTTP/1.1 200 OK\r\nX-Kind: tea\r\nTransfer-Encoding: chunked\r\nx-kind: mud\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for piece in [1, 3, chunked.len()] {
        let (mut parser, mut seen) = (ResponseParser::default(), Seen::default());
        for bytes in chunked.chunks(piece) {
            parser.receive(bytes, &mut seen).expect("valid");
        }
        assert_eq!(seen.0, [b"tea", b"mud"]);
        assert_eq!(seen.1, b"abcde");
    }
}

#[test]
fn a_connection_stays_small() {
    assert!(size_of::<ResponseParser>() <= 48, "{}", size_of::<ResponseParser>());
}
