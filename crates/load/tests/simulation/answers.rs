//! Answers that are not what was expected.

use seatrial_load::histogram::Histogram;
use seatrial_load::request::RequestSpec;
use seatrial_load::spec::{ExpectSpec, WorkerSpec};
use seatrial_net::simulated::{Server, Step};

use crate::support::{GOOD, MS, Queue, S, run, spec};

/// Wants no more of a body than its first bytes: says so, then resets as a kernel does whose program closes with bytes
/// unread.
struct Refuses {
    answer: &'static [u8],
    /// The connection ends so long after the answer.
    ends_after_ns: u64,
    end: fn(u64) -> Step,
    taken: u64,
}

impl Server for Refuses {
    fn answer(&mut self, _: u64) -> Vec<Step> {
        unreachable!("nobody goes on to send the rest")
    }

    fn takes(&mut self, len: usize) -> usize {
        self.taken += len.min(10) as u64;
        len.min(10)
    }

    fn interrupt(&mut self, _: u64) -> Vec<Step> {
        vec![Step::Send(1_000, self.answer.to_vec()), (self.end)(self.ends_after_ns)]
    }
}

#[test]
fn an_answer_that_comes_before_the_request_is_all_sent_is_the_answer() {
    let early: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!";
    // At once: the loop hears of the answer, of the end, and that it may write, all in one look.
    for (ends_after_ns, end) in
        [(0, Step::Reset as fn(u64) -> Step), (0, Step::Close), (MS, Step::Reset), (MS, Step::Close)]
    {
        let server = Refuses { answer: early, ends_after_ns, end, taken: 0 };
        let (seen, driver) = run(&spec(), server, 2 * S);
        let statuses: Vec<_> = seen.parts("measure").into_iter().flat_map(|part| &part.status).collect();
        assert!(statuses.iter().all(|(status, _)| *status == 413), "{statuses:?}");
        assert_eq!((seen.sum(|part| part.completed), seen.sum(|part| part.failed)), (1_000, 0));
        assert!(seen.errors().is_empty(), "{:?}", seen.errors());
        let reconnected: u64 = seen.frames.iter().map(|frame| frame.reconnected).sum();
        assert!((990..=1_000).contains(&reconnected), "a connection for each request: {reconnected}");
        // The rest is not sent.
        assert_eq!(seen.sum(|part| part.bytes_sent), driver.server().taken);
        assert_eq!(driver.server().taken, 1_000 * 10);
    }
}

/// Three digits are a status, and each is counted as what it is.
#[test]
fn every_status_is_counted_as_itself() {
    struct Statuses(u16);
    impl Server for Statuses {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            self.0 = if self.0 == 999 { 200 } else { self.0 + 1 };
            vec![Step::Send(
                1_000,
                format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", self.0).into_bytes(),
            )]
        }
    }
    let spec = WorkerSpec { measure_ns: 8 * S / 10, ..spec() };
    let (seen, _) = run(&spec, Statuses(199), 2 * S);
    let mut counts = [0; 1_000];
    for (status, count) in seen.parts("measure").into_iter().flat_map(|part| &part.status) {
        counts[usize::from(*status)] += count;
    }
    // 204 and 304 have no body, and this one says that it has none.
    assert!(counts[200..].iter().all(|count| *count == 1), "{counts:?}");
    assert_eq!(seen.sum(|part| part.completed), 800);
}

/// Whoever wears its connections out closes them with the last answer: what follows is seen or not by chance.
#[test]
fn what_follows_the_last_answer_of_a_worn_connection_is_nothing() {
    struct Talkative;
    impl Server for Talkative {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            vec![Step::Send(1_000, [GOOD, b"more"].concat())]
        }
    }
    let outcome = |requests_per_connection| {
        let (seen, _) = run(&WorkerSpec { requests_per_connection, ..spec() }, Talkative, 2 * S);
        (seen.sum(|part| part.completed), seen.sum(|part| part.failed))
    };
    assert_eq!(outcome(1), (1_000, 0));
    assert_eq!(outcome(0).0, 0);
}

#[test]
fn a_reset_in_the_midst_of_a_request_ends_no_answer() {
    /// Its body would go on to the end of the stream; whether it was all is not known.
    const OPEN_END: &[u8] = b"HTTP/1.1 413 Content Too Large\r\n\r\nno";
    for (end, failure) in [(Step::Reset as fn(u64) -> Step, "write_failed"), (Step::Close, "")] {
        let server = Refuses { answer: OPEN_END, ends_after_ns: 0, end, taken: 0 };
        let (seen, _) = run(&spec(), server, 2 * S);
        let errors = seen.errors();
        if failure.is_empty() {
            assert_eq!((seen.sum(|part| part.completed), errors.len()), (1_000, 0));
        } else {
            assert_eq!((seen.sum(|part| part.completed), errors.len()), (0, 1));
            assert_eq!(errors[failure], seen.sum(|part| part.failed));
        }
    }
}

/// Nothing is left out of a route's histogram either: what got no answer has taken at least so long.
#[test]
fn a_route_keeps_the_latencies_of_all_that_was_intended() {
    /// Answers one request in two.
    struct Half(u32);
    impl Server for Half {
        fn answer(&mut self, _: u64) -> Vec<Step> {
            self.0 += 1;
            if self.0.is_multiple_of(2) { vec![] } else { vec![Step::Send(1_000, GOOD.to_vec())] }
        }
    }
    let spec = WorkerSpec { route_histograms: true, timeout_ns: 200 * MS, drain_ns: 100 * MS, ..spec() };
    let (seen, _) = run(&spec, Half(0), 2 * S);
    let intended = seen.sum(|part| part.sent + part.unsent);
    assert!(seen.sum(|part| part.unsent) > 0 && seen.sum(|part| part.timed_out) > 0);
    let route = &seen.done.as_ref().expect("the last word").routes[0];
    let latency = Histogram::decode(&route.latency).expect("an encoding of ours");
    assert_eq!((latency.count(), intended), (1_000, 1_000));
    assert!(latency.quantile_us(0.9) >= 190_000, "{}", latency.quantile_us(0.9));
}

#[test]
fn unexpected_answers_are_counted_by_kind_and_route() {
    let mut spec = spec();
    let second = RequestSpec { path: "/b".to_owned(), ..spec.requests[0].clone() };
    // The simulated server counts requests by their length, so both paths are as long.
    spec.requests[0].path = "/a".to_owned();
    spec.requests.push(second);
    spec.expect = Some(ExpectSpec { status: vec![200], header: None, body: Some("bye".to_owned()) });
    spec.route_histograms = true;
    // Fifteen blocks of the mixture, each of which has as many of both.
    spec.measure_ns = 960 * MS;
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let unexpected: u64 =
        seen.parts("measure").iter().flat_map(|part| &part.unexpected).map(|(_, count)| count).sum();
    assert_eq!(unexpected, 960);
    let done = seen.done.as_ref().expect("the last word");
    assert_eq!(done.unexpected.len(), 5);
    assert_eq!((done.unexpected[0].kind, done.unexpected[0].body.as_str()), ("body", "hello"));
    let routes: Vec<_> =
        done.routes.iter().map(|route| (route.route.as_str(), route.completed, route.unexpected)).collect();
    assert_eq!(routes, [("localhost /a", 480, 480), ("localhost /b", 480, 480)]);
    assert!(
        done.routes
            .iter()
            .all(|route| Histogram::decode(&route.latency).is_ok_and(|kept| kept.count() == 480))
    );
}
