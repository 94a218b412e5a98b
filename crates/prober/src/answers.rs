//! What an answer says of a change.

use seatrial_wire::Sink;

use crate::control::Watch;

/// What is seen of an answer while it arrives.
#[derive(Debug)]
pub(crate) struct Seen {
    field: String,
    values: Vec<Vec<u8>>,
}

impl Seen {
    pub(crate) fn new(field: &str) -> Self {
        Self { field: field.to_owned(), values: vec![] }
    }

    /// Judges it for a watch.
    pub(crate) fn judge(&self, watch: &Watch, status: u16) -> Judgement {
        let is_success = (200..300).contains(&status);
        let is_by = |value: &Vec<u8>| watch.by.iter().any(|name| name.as_bytes() == value);
        let is_served = is_success && self.values.iter().any(is_by);
        let name = match (is_served, is_success, self.values.is_empty()) {
            (true, ..) => "served".to_owned(),
            (_, true, false) => "elsewhere".to_owned(),
            (_, true, true) => "unmarked".to_owned(),
            _ => status.to_string(),
        };
        Judgement { is_wanted: is_served != watch.gone, name }
    }
}

impl Sink for Seen {
    fn head(&mut self, _: u16, field: &dyn Fn(&str) -> Vec<Vec<u8>>) {
        self.values = field(&self.field);
    }
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) is_wanted: bool,
    /// Under which it is counted.
    pub(crate) name: String,
}

impl Judgement {
    /// No answer: whether the route is there nobody knows.
    pub(crate) fn failed(name: &str) -> Self {
        Self { is_wanted: false, name: name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::over::Over;

    fn watch(gone: bool) -> Watch {
        let by = vec!["10.0.0.1:80".to_owned(), "10.0.0.2:80".to_owned()];
        Watch { id: 1, host: "a".to_owned(), path: "/".to_owned(), by, gone, over: vec![Over::Kept] }
    }

    #[test]
    fn an_answer_is_served_only_by_who_is_named() {
        for (status, value, name) in [
            (200, Some("10.0.0.2:80"), "served"),
            (204, Some("10.0.0.1:80"), "served"),
            (200, Some("10.0.0.3:80"), "elsewhere"),
            (200, None, "unmarked"),
            (404, None, "404"),
            // An error page of the origin behind it is not the route's service.
            (503, Some("10.0.0.1:80"), "503"),
        ] {
            let values = value.into_iter().map(|text| text.as_bytes().to_vec()).collect();
            let seen = Seen { field: "who".to_owned(), values };
            let expected = Judgement { is_wanted: name == "served", name: name.to_owned() };
            assert_eq!(seen.judge(&watch(false), status), expected, "{status} {value:?}");
            assert_eq!(seen.judge(&watch(true), status).is_wanted, name != "served", "{status} {value:?}");
        }
        assert!(!Judgement::failed("timeout").is_wanted);
    }
}
