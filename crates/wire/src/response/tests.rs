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
            Outcome::Complete(Response { keep_alive: false, .. }) => Ok(first),
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
        if last.is_err() || matches!(last, Ok(Outcome::Complete(Response { keep_alive: false, .. }))) {
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
    head.expect(true, false);
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

/// With the connection an answer ends, too: whether what follows is seen depends on how it is cut.
#[test]
fn what_follows_the_last_answer_of_a_connection_is_nothing() {
    for last in [
        &b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"[..],
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 204 OK\r\nConnection: TE, close\r\n\r\n",
    ] {
        for excess in [&b"x"[..], b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"] {
            let status = if last.contains(&b'4') { 204 } else { 200 };
            assert_eq!(parse_every_way(&[last, excess].concat()), ok(status, false));
        }
    }
    // The client has its own reasons: it said so itself, or has not sent its request to the end.
    let kept = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxy";
    let mut parser = ResponseParser::default();
    parser.expect(false, true);
    assert_eq!(parser.receive(kept, &mut ()), ok(200, true));
    parser.expect(false, false);
    assert_eq!(parser.receive(kept, &mut ()), Err(ProtocolError::Excess));
}

#[test]
fn statuses_are_all_of_three_digits() {
    let answer = |status: &str| {
        parse_every_way(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes())
    };
    for status in [200, 299, 599, 600, 601, 999] {
        assert_eq!(answer(&status.to_string()), ok(status, true));
    }
    for broken in ["000", "099", "1000", "99", "-20", "2x0"] {
        assert_eq!(answer(broken), Err(ProtocolError::Head), "{broken}");
    }
}

/// RFC 9112 section 5.2.
#[test]
fn a_field_may_go_on_in_the_next_line() {
    let folded = b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length:\r\n 3\r\n\r\nabc";
    assert_eq!(parse_every_way(folded), ok(200, true));
    let connection = b"HTTP/1.1 200 OK\r\nConnection: TE,\r\n close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(parse_every_way(connection), ok(200, false));
    let no_field = b"HTTP/1.1 200 OK\r\n folded\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(parse_every_way(no_field), Err(ProtocolError::Head));
    assert_eq!(unfolded(b"a\r\n b \r\n\t c"), b"a b c");
    assert_eq!(unfolded(b"a  b"), b"a  b");
}

/// RFC 9112 no longer knows the word. Whoever takes it for a coding, as curl 7.88 does, waits for the end of a connection
/// that stays.
#[test]
fn identity_is_no_coding() {
    let with_length = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(parse_every_way(with_length), ok(200, true));
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n";
    assert_eq!(parse_every_way(chunked), ok(200, true));
    for other in ["identity, gzip", "gzip, identity", "chunked, gzip", "gzip"] {
        let mut parser = ResponseParser::default();
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {other}\r\nContent-Length: 1\r\n\r\nabc");
        assert_eq!(parser.receive(head.as_bytes(), &mut ()), Ok(Outcome::NeedMore), "{other}");
        assert_eq!(parser.end_of_stream(), Ok(Response { status: 200, keep_alive: false }), "{other}");
    }
}

#[test]
fn endless_informational_answers_are_refused() {
    let informational = b"HTTP/1.1 100 Continue\r\n\r\n";
    let last = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    let mut parser = ResponseParser::default();
    // The count begins anew with each request.
    for _ in 0..3 {
        let most = informational.repeat(INFORMATIONAL_LIMIT.into());
        assert_eq!(parser.receive(&[&most, &last[..]].concat(), &mut ()), ok(200, true));
    }
    for piece in [7, 25, 10_000] {
        let mut parser = ResponseParser::default();
        let endless = informational.repeat(usize::from(INFORMATIONAL_LIMIT) + 1);
        let outcomes: Result<Vec<_>, _> =
            endless.chunks(piece).map(|bytes| parser.receive(bytes, &mut ())).collect();
        assert_eq!(outcomes.map(|_| ()), Err(ProtocolError::Informational), "pieces of {piece}");
    }
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
