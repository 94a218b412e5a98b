//! What answers should be like, and what is kept of those that are not.

use seatrial_wire::Sink;
use serde::Serialize;

use crate::spec::ExpectSpec;

/// The part of a body in which a text is looked for.
const BODY_LIMIT_BYTES: usize = 1024 * 1024;
/// How many unexpected answers are kept, and how much of each.
const KEPT_ANSWERS: usize = 5;
const EXCERPT_BYTES: usize = 400;

/// How an answer differs from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unexpected {
    Status,
    Header,
    Body,
}

impl Unexpected {
    pub(crate) const NAMES: [&str; 3] = ["status", "header", "body"];
}

/// An unexpected answer, for a person to look at.
#[derive(Clone, Debug, Serialize)]
pub struct KeptAnswer {
    /// What was unexpected: `status`, `header` or `body`.
    pub kind: &'static str,
    /// The request's host and path.
    pub route: String,
    /// The status code.
    pub status: u16,
    /// The beginning of the body.
    pub body: String,
}

/// What was seen of an answer while it arrived.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    wanted_field: Option<String>,
    /// Each of its values: a field may be there several times.
    field: Vec<Vec<u8>>,
    body: Vec<u8>,
}

impl Sink for Evidence {
    fn head(&mut self, _: u16, field: &dyn Fn(&str) -> Vec<Vec<u8>>) {
        self.body.clear();
        if let Some(name) = &self.wanted_field {
            self.field = field(name);
        }
    }

    fn body(&mut self, bytes: &[u8]) {
        let room = BODY_LIMIT_BYTES.saturating_sub(self.body.len());
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The expectations of a load.
#[derive(Debug)]
pub(crate) struct Expectations {
    spec: ExpectSpec,
    kept: Vec<KeptAnswer>,
}

impl Expectations {
    pub(crate) fn new(spec: ExpectSpec) -> Self {
        Self { spec, kept: Vec::with_capacity(KEPT_ANSWERS) }
    }

    /// What one connection needs to gather evidence; each connection keeps its own.
    pub(crate) fn evidence(&self) -> Evidence {
        let wanted_field = self.spec.header.as_ref().map(|(name, _)| name.clone());
        Evidence { wanted_field, ..Evidence::default() }
    }

    /// Compares; keeps the first few answers that differ.
    pub(crate) fn judge(&mut self, status: u16, evidence: &Evidence, route: &str) -> Option<Unexpected> {
        let differs = self.difference(status, evidence)?;
        if self.kept.len() < KEPT_ANSWERS {
            let excerpt = &evidence.body[..evidence.body.len().min(EXCERPT_BYTES)];
            self.kept.push(KeptAnswer {
                kind: Unexpected::NAMES[differs as usize],
                route: route.to_owned(),
                status,
                body: String::from_utf8_lossy(excerpt).into_owned(),
            });
        }
        Some(differs)
    }

    fn difference(&self, status: u16, evidence: &Evidence) -> Option<Unexpected> {
        let ExpectSpec { status: statuses, header, body } = &self.spec;
        let is_expected =
            if statuses.is_empty() { (200..300).contains(&status) } else { statuses.contains(&status) };
        if !is_expected {
            return Some(Unexpected::Status);
        }
        if let Some((_, value)) = header
            && !evidence.field.iter().any(|field| field == value.as_bytes())
        {
            return Some(Unexpected::Header);
        }
        if let Some(text) = body
            && !contains(&evidence.body, text.as_bytes())
        {
            return Some(Unexpected::Body);
        }
        None
    }

    pub(crate) fn into_kept(self) -> Vec<KeptAnswer> {
        self.kept
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_expected_to_be_a_success_where_no_status_is_named() {
        let spec = ExpectSpec { status: vec![], header: None, body: Some("hello".to_owned()) };
        let mut expectations = Expectations::new(spec);
        let seen = Evidence { body: b"hello".to_vec(), ..Evidence::default() };
        for (status, how) in
            [(200, None), (204, None), (304, Some(Unexpected::Status)), (500, Some(Unexpected::Status))]
        {
            assert_eq!(expectations.judge(status, &seen, "a /"), how, "{status}");
        }
    }

    #[test]
    fn the_first_difference_is_named_and_a_few_answers_are_kept() {
        let spec = ExpectSpec {
            status: vec![200],
            header: Some(("x-kind".to_owned(), "tea".to_owned())),
            body: Some("hello".to_owned()),
        };
        let mut expectations = Expectations::new(spec);
        let seen = |fields: &str, body: &str| Evidence {
            field: fields.split('|').map(|field| field.as_bytes().to_vec()).collect(),
            body: body.as_bytes().to_vec(),
            ..Evidence::default()
        };
        assert_eq!(expectations.judge(200, &seen("tea", "oh, hello"), "a /"), None);
        assert_eq!(expectations.judge(200, &seen("mud|tea", "hello"), "a /"), None);
        assert_eq!(expectations.judge(500, &seen("tea", "hello"), "a /"), Some(Unexpected::Status));
        assert_eq!(expectations.judge(200, &seen("mud", "hello"), "a /"), Some(Unexpected::Header));
        for _ in 0..10 {
            assert_eq!(expectations.judge(200, &seen("tea", "bye"), "b /"), Some(Unexpected::Body));
        }
        let kept = expectations.into_kept();
        assert_eq!(kept.len(), KEPT_ANSWERS);
        assert_eq!((kept[2].kind, kept[2].route.as_str(), kept[2].body.as_str()), ("body", "b /", "bye"));
    }
}
