//! Answers, made once, and the count of what they answered.

use std::collections::HashMap;
use std::net::SocketAddr;

use seatrial_wire::{ENDPOINT_FIELD, RequestHead};

use crate::connection::Pending;
use crate::spec::{Delay, Fault, OriginSpec};

/// Routes that are counted each by itself; a client that asks for more is counted under [`OTHER`].
const ROUTE_LIMIT: usize = 100_000;
const OTHER: &str = "(other)";
/// In place of an answer; a TLS client's greeting, for whom it may remind of a wrong port.
const GARBAGE: &[u8] = b"\x16\x03\x01\x00 this is no HTTP\r\n\r\n";

/// The bytes of an answer: a head with and without `Connection: close`, each before the same body, and where such faults
/// are asked for the same with a wrong length.
pub(crate) struct Answer {
    keep_alive: Vec<u8>,
    close: Vec<u8>,
    long_length: Option<Vec<u8>>,
    short_length: Option<Vec<u8>>,
    pub(crate) body_bytes: usize,
    pub(crate) delay: Delay,
}

impl Answer {
    fn new(status: u16, body_bytes: usize, delay: Delay, spec: &OriginSpec) -> Self {
        let has_body = !matches!(status, 204 | 304);
        let body_bytes = if has_body { body_bytes } else { 0 };
        let make = |connection: &str, length: usize| {
            let mut answer =
                format!("HTTP/1.1 {status} {}\r\nServer: seatrial\r\n{connection}", reason(status));
            if has_body {
                answer.push_str(&format!("Content-Type: text/plain\r\nContent-Length: {length}\r\n"));
            }
            answer.push_str("\r\n");
            let mut answer = answer.into_bytes();
            answer.resize(answer.len() + body_bytes, b'x');
            answer
        };
        let wanted = |fault| spec.faults.iter().any(|one| one.fault == fault);
        Self {
            keep_alive: make("", body_bytes),
            close: make("Connection: close\r\n", body_bytes),
            long_length: wanted(Fault::LongLength).then(|| make("", body_bytes + 1)),
            short_length: wanted(Fault::ShortLength).then(|| make("", body_bytes.saturating_sub(1))),
            body_bytes,
            delay,
        }
    }

    /// What goes onto the wire; an answer to HEAD ends before the body.
    #[inline]
    pub(crate) fn bytes(&self, pending: &Pending) -> &[u8] {
        let whole = if pending.keep_alive { &self.keep_alive } else { &self.close };
        match pending.fault {
            None if pending.is_head => &whole[..whole.len() - self.body_bytes],
            None | Some(Fault::Slow { .. }) => whole,
            Some(fault) => self.broken(fault, whole),
        }
    }

    fn broken<'a>(&'a self, fault: Fault, whole: &'a [u8]) -> &'a [u8] {
        match fault {
            Fault::Half => &whole[..whole.len() - self.body_bytes.div_ceil(2)],
            Fault::Garbage => GARBAGE,
            Fault::LongLength => self.long_length.as_deref().unwrap_or(whole),
            Fault::ShortLength => self.short_length.as_deref().unwrap_or(whole),
            Fault::Reset | Fault::Slow { .. } => whole,
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

struct Route {
    answer: usize,
    requests: u64,
}

/// Which request gets which answer, and how many there were.
pub(crate) struct Answers {
    made: Vec<Answer>,
    by_host_and_path: HashMap<String, usize>,
    by_path: HashMap<String, usize>,
    routes: Vec<Route>,
    route_of: HashMap<String, usize>,
    key: String,
    last: (String, usize),
}

impl Answers {
    pub(crate) fn new(spec: &OriginSpec) -> Self {
        let mut answers = Self {
            made: vec![Answer::new(spec.status, spec.body_bytes, spec.delay, spec)],
            by_host_and_path: HashMap::new(),
            by_path: HashMap::new(),
            routes: Vec::new(),
            route_of: HashMap::new(),
            key: String::new(),
            last: (String::new(), usize::MAX),
        };
        for route in &spec.routes {
            let index = answers.made.len();
            answers.made.push(Answer::new(route.status, route.body_bytes, route.delay, spec));
            match &route.host {
                Some(host) => answers.by_host_and_path.insert(format!("{host} {}", route.path), index),
                None => answers.by_path.insert(route.path.clone(), index),
            };
        }
        answers
    }

    /// Counts a request and returns the number of its answer.
    pub(crate) fn count(&mut self, head: &RequestHead<'_>) -> usize {
        self.key.clear();
        self.key.push_str(head.host);
        self.key.push(' ');
        self.key.push_str(head.path);
        // Most clients ask for the same thing again and again.
        if self.last.1 == usize::MAX || self.last.0 != self.key {
            let index = self.route(head.path);
            self.last.0.clone_from(&self.key);
            self.last.1 = index;
        }
        let route = &mut self.routes[self.last.1];
        route.requests += 1;
        route.answer
    }

    fn route(&mut self, path: &str) -> usize {
        if let Some(&index) = self.route_of.get(&self.key) {
            return index;
        }
        let answer =
            self.by_host_and_path.get(&self.key).or_else(|| self.by_path.get(path)).copied().unwrap_or(0);
        let key =
            if self.routes.len() < ROUTE_LIMIT { self.key.clone() } else { format!("{OTHER} {answer}") };
        let next = self.routes.len();
        let index = *self.route_of.entry(key).or_insert(next);
        if index == next {
            self.routes.push(Route { answer, requests: 0 });
        }
        index
    }

    pub(crate) fn answer(&self, index: usize) -> &Answer {
        &self.made[index]
    }

    /// The bytes of an answer that names the endpoint which gives it, for one request that has asked.
    pub(crate) fn naming(&self, pending: &Pending, endpoint: SocketAddr) -> Box<[u8]> {
        let whole = self.made[pending.answer].bytes(pending);
        let status_line = whole.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (before, after) = whole.split_at(status_line);
        [before, format!("{ENDPOINT_FIELD}: {endpoint}\r\n").as_bytes(), after].concat().into_boxed_slice()
    }

    /// Requests by "host path".
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.route_of.iter().map(|(key, &index)| (key.as_str(), self.routes[index].requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        let spec = r#"{"listen": [{"host": "127.0.0.1", "port": 0}], "body_bytes": 5, "status": 200, "routes": [
            {"path": "/slow", "body_bytes": 1, "status": 503, "delay": {"kind": "fixed", "mean_us": 10}},
            {"host": "a", "path": "/slow", "body_bytes": 2, "status": 204}]}"#;
        Answers::new(&OriginSpec::parse(spec).expect("a valid spec"))
    }

    fn pending(keep_alive: bool, is_head: bool) -> Pending {
        Pending { answer: 0, written: 0, pieces: 0, keep_alive, is_head, is_due: true, fault: None }
    }

    fn head<'a>(host: &'a str, path: &'a str) -> RequestHead<'a> {
        RequestHead {
            method: "GET",
            path,
            host,
            expects_continue: false,
            asks_endpoint: false,
            keep_alive: true,
        }
    }

    #[test]
    fn the_most_special_route_answers() {
        let mut answers = answers();
        let picked =
            [("a", "/"), ("b", "/slow"), ("a", "/slow")].map(|(host, path)| answers.count(&head(host, path)));
        assert_eq!(picked, [0, 1, 2]);
        assert!(answers.answer(0).bytes(&pending(true, false)).ends_with(b"Content-Length: 5\r\n\r\nxxxxx"));
        assert!(answers.answer(0).bytes(&pending(false, true)).ends_with(b"Content-Length: 5\r\n\r\n"));
        assert!(!answers.answer(2).bytes(&pending(true, false)).ends_with(b"x"));
    }

    #[test]
    fn an_answer_names_its_endpoint_where_it_is_asked_to() {
        let answers = answers();
        let plain = answers.answer(0).bytes(&pending(true, false)).to_vec();
        let naming = answers.naming(&pending(true, false), "127.0.0.1:80".parse().expect("an address"));
        let (naming, plain) = (String::from_utf8_lossy(&naming), String::from_utf8_lossy(&plain));
        assert_eq!(naming.replacen("seatrial-endpoint: 127.0.0.1:80\r\n", "", 1), plain);
        assert!(naming.starts_with("HTTP/1.1 200 OK\r\nseatrial-endpoint: "), "{naming}");
    }

    #[test]
    fn requests_are_counted_by_host_and_path() {
        let mut answers = answers();
        for (host, path) in [("a", "/"), ("b", "/"), ("a", "/"), ("a", "/")] {
            answers.count(&head(host, path));
        }
        let mut counts: Vec<_> = answers.counts().collect();
        counts.sort_unstable();
        assert_eq!(counts, [("a /", 3), ("b /", 1)]);
    }
}
