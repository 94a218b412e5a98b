//! Against a proxy whose route goes live at a set moment, in simulated time: to the nanosecond.

use std::collections::BTreeMap;

use seatrial_net::simulated::{Server, SimulatedDriver, Step, Welcome};

use super::*;
use crate::report::{Answers, Sighting};

const MS: u64 = 1_000_000;
const START_NS: u64 = 1_000_000_000;
const SERVED: &[u8] = b"HTTP/1.1 200 OK\r\nwho: a:1\r\nContent-Length: 0\r\n\r\n";
const ELSEWHERE: &[u8] = b"HTTP/1.1 200 OK\r\nwho: b:1\r\nContent-Length: 0\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const ROUND_TRIP_NS: u64 = 100_000;

/// Answers as it is to from each of these moments on; an empty answer is none at all.
struct Proxy(Vec<(u64, &'static [u8])>);

impl Server for Proxy {
    fn welcome(&mut self, _: u64) -> Welcome {
        Welcome::Accept(ROUND_TRIP_NS)
    }

    fn answer(&mut self, now_ns: u64) -> Vec<Step> {
        let now = self.0.iter().rev().find(|(from_ns, _)| *from_ns <= now_ns).expect("a first answer").1;
        match now {
            b"" => vec![],
            b"reset" => vec![Step::Reset(ROUND_TRIP_NS)],
            answer => vec![Step::Send(ROUND_TRIP_NS, answer.to_vec())],
        }
    }
}

/// Watches one route, and stops once all is settled or the time is over.
struct Script {
    commands: Vec<Command>,
    places: usize,
    turns_left: u32,
    reports: Vec<Report>,
}

impl Parent for Script {
    fn command(&mut self) -> Option<Command> {
        if let Some(command) = self.commands.pop() {
            return Some(command);
        }
        self.turns_left -= 1;
        let settled = self.reports.iter().filter(|report| matches!(report, Report::Settled { .. })).count();
        (settled == self.places || self.turns_left == 0).then_some(Command::Stop)
    }

    fn report(&mut self, report: &Report) {
        self.reports.push(report.clone());
    }
}

fn spec(replicas: usize) -> ProberSpec {
    let replica = r#"{"host": "127.0.0.1", "port": 80}"#;
    ProberSpec::parse(&format!(
        r#"{{"worker": 0, "replicas": [{}], "period_ns": 5000000, "rate_limit_per_s": 1e6, "timeout_ns": 50000000,
            "stable_after": 3, "field": "who", "headers": [], "kept_connections": 2}}"#,
        vec![replica; replicas].join(",")
    ))
    .expect("a spec")
}

fn watch(gone: bool, over: Vec<Over>) -> Watch {
    Watch {
        id: 7,
        host: "a".to_owned(),
        path: "/".to_owned(),
        by: vec!["a:1".to_owned()],
        before: vec![],
        gone,
        over,
    }
}

fn request_bytes() -> usize {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n".len()
}

fn play(spec: ProberSpec, watch: Watch, answers: Vec<(u64, &'static [u8])>) -> Vec<Report> {
    let places = spec.replicas.len() * watch.over.len();
    let driver = SimulatedDriver::new(Proxy(answers), request_bytes(), 1_000);
    let mut script =
        Script { commands: vec![Command::Watch(watch)], places, turns_left: 2_000, reports: vec![] };
    Prober::new(spec, driver).run(&mut script).expect("no failure of the loop");
    script.reports
}

fn firsts(reports: &[Report]) -> Vec<Sighting> {
    let first = |report: &Report| match report {
        Report::First(sighting) => Some(*sighting),
        _ => None,
    };
    reports.iter().filter_map(first).collect()
}

/// The row, whether it was long enough, the relapses, and the answers by name.
type Settled = (Sighting, bool, u32, Vec<(String, u64)>);

fn settled(reports: &[Report]) -> Vec<Settled> {
    let settled = |report: &Report| match report {
        Report::Settled { sighting, is_stable, relapses, answers, .. } => {
            Some((*sighting, *is_stable, *relapses, answers.clone().into_iter().collect()))
        }
        _ => None,
    };
    reports.iter().filter_map(settled).collect()
}

#[test]
fn a_route_that_goes_live_is_seen_within_a_period_at_every_replica() {
    for live_ns in [START_NS, START_NS + 13 * MS, START_NS + 777 * MS] {
        for over in [Over::Kept, Over::Fresh] {
            let reports = play(spec(3), watch(false, vec![over]), vec![(0, NOT_FOUND), (live_ns, SERVED)]);
            let firsts = firsts(&reports);
            assert_eq!(firsts.len(), 3);
            for Sighting { after_ns, sent_ns, heard_ns, .. } in firsts {
                assert!(after_ns <= live_ns.max(after_ns), "{after_ns}");
                assert!(
                    heard_ns >= live_ns && heard_ns <= live_ns.max(START_NS) + 5 * MS + 3 * ROUND_TRIP_NS
                );
                assert!(sent_ns < heard_ns && sent_ns - after_ns <= 5 * MS + 3 * ROUND_TRIP_NS);
            }
            let settled = settled(&reports);
            assert_eq!(settled.len(), 3);
            assert!(settled.iter().all(|(_, is_stable, relapses, _)| *is_stable && *relapses == 0));
        }
    }
}

#[test]
fn what_came_on_the_way_is_counted_and_a_relapse_begins_a_new_row() {
    let at = |ms: u64| START_NS + ms * MS;
    let answers = vec![
        (0, NOT_FOUND),
        (at(10), UNAVAILABLE),
        (at(20), ELSEWHERE),
        (at(30), SERVED),
        (at(36), b"reset".as_slice()),
        (at(50), SERVED),
    ];
    let reports = play(spec(1), watch(false, vec![Over::Kept]), answers);
    let first = firsts(&reports)[0];
    assert!(first.heard_ns > at(30) && first.heard_ns < at(36));
    let (row, is_stable, relapses, seen) = settled(&reports).remove(0);
    assert!(is_stable && row.heard_ns > at(50) && row.heard_ns < at(56), "{row:?}");
    assert!(row.after_ns > at(44) && row.after_ns < at(50), "{row:?}");
    assert_eq!(relapses, 1);
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["404", "503", "elsewhere", "read_reset", "served"]);
}

/// How many answers came by name, which were lost and which were stale.
fn lost(reports: &[Report]) -> (BTreeMap<String, u64>, Answers, Answers) {
    let lost = |report: &Report| match report {
        Report::Settled { answers, lost, stale, .. } => Some((answers.clone(), *lost, *stale)),
        _ => None,
    };
    reports.iter().find_map(lost).expect("a settled one")
}

#[test]
fn of_an_update_every_answer_is_of_the_old_or_of_the_new_generation_or_lost() {
    let at = |ms: u64| START_NS + ms * MS;
    let answers = vec![
        (0, ELSEWHERE),
        (at(20), UNAVAILABLE),
        (at(40), ELSEWHERE),
        (at(60), SERVED),
        (at(66), ELSEWHERE),
        (at(86), NOT_FOUND),
        (at(96), SERVED),
    ];
    let update = Watch { before: vec!["b:1".to_owned()], ..watch(false, vec![Over::Kept]) };
    let reports = play(spec(1), update, answers);
    let (names, lost, stale) = lost(&reports);
    assert_eq!(names.keys().collect::<Vec<_>>(), ["404", "503", "before", "served"]);
    assert_eq!(lost.count, names["404"] + names["503"]);
    assert!((at(20)..=at(20) + 6 * MS).contains(&lost.sent_ns), "{lost:?}");
    assert!((at(90)..=at(96) + ROUND_TRIP_NS).contains(&lost.heard_ns), "{lost:?}");
    // What was as before the first of the new generation is in order.
    assert!((3..=4).contains(&stale.count) && stale.count < names["before"], "{stale:?} of {names:?}");
    assert!((at(66)..=at(72)).contains(&stale.sent_ns), "{stale:?}");
    assert!((at(80)..=at(86) + ROUND_TRIP_NS).contains(&stale.heard_ns), "{stale:?}");
}

#[test]
fn a_route_that_is_created_is_not_there_yet_until_it_is_there_once() {
    let at = |ms: u64| START_NS + ms * MS;
    let quiet = vec![(0, NOT_FOUND), (at(20), SERVED)];
    let (_, none, _) = lost(&play(spec(1), watch(false, vec![Over::Kept]), quiet));
    assert_eq!(none, Answers::default());
    let answers = vec![
        (0, NOT_FOUND),
        (at(20), b"reset".as_slice()),
        (at(30), ELSEWHERE),
        (at(40), NOT_FOUND),
        (at(60), SERVED),
        (at(66), NOT_FOUND),
        (at(76), SERVED),
    ];
    let reports = play(spec(1), watch(false, vec![Over::Fresh]), answers);
    let (names, lost, stale) = lost(&reports);
    let late = lost.count - names["elsewhere"] - names["read_reset"];
    assert!((1..=3).contains(&late) && late < names["404"], "{lost:?} of {names:?}");
    assert!((at(20)..=at(26)).contains(&lost.sent_ns), "{lost:?}");
    assert!((at(66)..=at(76) + ROUND_TRIP_NS).contains(&lost.heard_ns), "{lost:?}");
    assert_eq!(stale, Answers::default());
}

#[test]
fn of_a_deletion_its_service_and_no_route_are_in_order() {
    let at = |ms: u64| START_NS + ms * MS;
    let answers = vec![(0, SERVED), (at(20), NOT_FOUND), (at(26), SERVED), (at(36), UNAVAILABLE)];
    let (names, lost, stale) = lost(&play(spec(1), watch(true, vec![Over::Kept]), answers));
    assert_eq!(lost.count, names["503"]);
    assert!((1..=3).contains(&stale.count), "{stale:?} of {names:?}");
}

#[test]
fn a_route_that_is_gone_is_gone_once_an_answer_says_so() {
    let gone_ns = START_NS + 30 * MS;
    // Silence and resets say nothing of whether it is still there.
    let answers = vec![(0, SERVED), (gone_ns, b"".as_slice()), (gone_ns + 100 * MS, NOT_FOUND)];
    for over in [Over::Kept, Over::Fresh] {
        let reports = play(spec(1), watch(true, vec![over]), answers.clone());
        let (row, is_stable, _, seen) = settled(&reports).remove(0);
        assert!(is_stable && row.heard_ns > gone_ns + 100 * MS, "{row:?}");
        assert!(seen.iter().any(|(name, count)| name == "timeout" && *count >= 2), "{seen:?}");
    }
}

#[test]
fn what_never_comes_is_said_at_the_end() {
    let reports = play(spec(2), watch(false, vec![Over::Kept]), vec![(0, NOT_FOUND)]);
    assert!(firsts(&reports).is_empty());
    let settled = settled(&reports);
    assert_eq!(settled.len(), 2);
    for (sighting, is_stable, _, _) in settled {
        assert!(!is_stable && sighting.sent_ns == 0 && sighting.after_ns > START_NS, "{sighting:?}");
    }
    assert!(matches!(reports.last(), Some(Report::Done { probes, .. }) if *probes > 100));
}

#[test]
fn every_probe_that_was_sent_is_counted_also_the_one_whose_answer_is_not_waited_for() {
    for answer in [NOT_FOUND, b"".as_slice()] {
        let reports = play(spec(2), watch(false, vec![Over::Kept]), vec![(0, answer)]);
        let counted: u64 = settled(&reports).iter().flat_map(|(.., seen)| seen).map(|(_, count)| count).sum();
        let Some(Report::Done { probes, .. }) = reports.last() else { panic!("no end") };
        assert_eq!(counted, *probes);
        if answer.is_empty() {
            assert!(
                settled(&reports).iter().all(|(.., seen)| seen.iter().any(|(name, _)| name == "in_flight"))
            );
        }
    }
}

#[test]
fn the_rate_is_kept_whatever_is_looked_for() {
    let slow = ProberSpec { rate_limit_per_s: 1_000.0, ..spec(1) };
    let driver = SimulatedDriver::new(Proxy(vec![(0, NOT_FOUND)]), request_bytes(), 1_000);
    let commands =
        (0..100).map(|id| Command::Watch(Watch { id, ..watch(false, vec![Over::Kept]) })).collect();
    let mut script = Script { commands, places: 100, turns_left: 4_000, reports: vec![] };
    let mut prober = Prober::new(slow, driver);
    prober.run(&mut script).expect("no failure of the loop");
    let elapsed_s = (prober.driver().now_ns() - START_NS) as f64 / 1e9;
    let Some(Report::Done { probes, .. }) = script.reports.last() else { panic!("no end") };
    let rate = *probes as f64 / elapsed_s;
    assert!((900.0..=1_010.0).contains(&rate), "{rate}");
    // Each of them had its turn.
    let asked = |report: &Report| match report {
        Report::Settled { answers, .. } => answers["404"],
        _ => u64::MAX,
    };
    let fewest = script.reports.iter().map(asked).min().expect("reports");
    assert!(fewest + 2 >= probes / 100, "{fewest} of {probes}");
}
