//! Answers that are not what was expected.

use seatrial_load::histogram::Histogram;
use seatrial_load::spec::{ExpectSpec, RequestSpec, WorkerSpec};
use seatrial_net::simulated::{Server, Step};

use crate::support::{GOOD, MS, Queue, S, run, spec};

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
