//! Answers that are not what was expected.

use seatrial_load::histogram::Histogram;
use seatrial_load::spec::{ExpectSpec, RequestSpec};

use crate::support::{Queue, S, run, spec};

#[test]
fn unexpected_answers_are_counted_by_kind_and_route() {
    let mut spec = spec();
    let second = RequestSpec { path: "/b".to_owned(), ..spec.requests[0].clone() };
    // The simulated server counts requests by their length, so both paths are as long.
    spec.requests[0].path = "/a".to_owned();
    spec.requests.push(second);
    spec.expect = Some(ExpectSpec { status: vec![200], header: None, body: Some("bye".to_owned()) });
    spec.route_histograms = true;
    let (seen, _) = run(&spec, Queue { service_ns: 1_000, busy_until_ns: 0 }, 2 * S);
    let unexpected: u64 =
        seen.parts("measure").iter().flat_map(|part| &part.unexpected).map(|(_, count)| count).sum();
    assert_eq!(unexpected, 1_000);
    let done = seen.done.as_ref().expect("the last word");
    assert_eq!(done.unexpected.len(), 5);
    assert_eq!((done.unexpected[0].kind, done.unexpected[0].body.as_str()), ("body", "hello"));
    let routes: Vec<_> =
        done.routes.iter().map(|route| (route.route.as_str(), route.completed, route.unexpected)).collect();
    assert_eq!(routes, [("localhost /a", 500, 500), ("localhost /b", 500, 500)]);
    assert!(
        done.routes
            .iter()
            .all(|route| Histogram::decode(&route.latency).is_ok_and(|kept| kept.count() == 500))
    );
}
