//! What an answer says of a change.

use seatrial_wire::Sink;

use crate::control::Watch;

/// The status by which a proxy says that it knows of no such route.
const NO_ROUTE: u16 = 404;

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
        let is_served = is_success && self.is_of(&watch.by);
        let is_before = is_success && self.is_of(&watch.before);
        let name = match (is_success, is_served, is_before, self.values.is_empty()) {
            // The proxy has passed it on.
            (false, _, _, false) => format!("{status} of the origin"),
            (true, true, ..) => "served".to_owned(),
            (true, _, true, _) => "before".to_owned(),
            (true, _, _, false) => "elsewhere".to_owned(),
            (true, ..) => "unmarked".to_owned(),
            (false, ..) => status.to_string(),
        };
        // What the origin says itself is not the proxy's word that it knows of no route.
        let is_no_route = status == NO_ROUTE && self.values.is_empty();
        let side = match (watch.gone, watch.before.is_empty()) {
            (true, _) if is_served => Side::Before,
            (true, _) if is_no_route => Side::After,
            (false, _) if is_served => Side::After,
            (false, false) if is_before => Side::Before,
            (false, true) if is_no_route => Side::NotYet,
            _ => Side::Neither,
        };
        Judgement { is_wanted: side == Side::After, name, side }
    }

    fn is_of(&self, names: &[String]) -> bool {
        self.values.iter().any(|value| names.iter().any(|name| name.as_bytes() == value))
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
    pub(crate) side: Side,
}

/// On which side of the change an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// As it is to be from the change on.
    After,
    /// Of who answered until then.
    Before,
    /// There is no route that is created: as it was before, and not to come back once there is one.
    NotYet,
    /// Neither, or none at all.
    Neither,
}

impl Judgement {
    /// No answer: whether the route is there nobody knows.
    pub(crate) fn failed(name: &str) -> Self {
        Self { is_wanted: false, name: name.to_owned(), side: Side::Neither }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::over::Over;

    fn watch(before: &[&str], gone: bool) -> Watch {
        let by = vec!["10.0.0.1:80".to_owned(), "10.0.0.2:80".to_owned()];
        let before = before.iter().map(|&name| name.to_owned()).collect();
        Watch { id: 1, host: "a".to_owned(), path: "/".to_owned(), by, before, gone, over: vec![Over::Kept] }
    }

    #[test]
    fn an_answer_is_served_only_by_who_is_named() {
        let (created, updated, deleted) =
            (watch(&[], false), watch(&["10.0.0.3:80"], false), watch(&[], true));
        // The name where there was nobody before and where there was, and the side of a creation, an update, a deletion.
        for (status, value, name, updated_name, sides) in [
            (200, Some("10.0.0.2:80"), "served", "served", [Side::After, Side::After, Side::Before]),
            (204, Some("10.0.0.1:80"), "served", "served", [Side::After, Side::After, Side::Before]),
            (200, Some("10.0.0.3:80"), "elsewhere", "before", [Side::Neither, Side::Before, Side::Neither]),
            (200, Some("10.0.0.4:80"), "elsewhere", "elsewhere", [Side::Neither; 3]),
            (200, None, "unmarked", "unmarked", [Side::Neither; 3]),
            (404, None, "404", "404", [Side::NotYet, Side::Neither, Side::After]),
            // An error page of the origin behind it is not the route's service.
            (404, Some("10.0.0.1:80"), "404 of the origin", "404 of the origin", [Side::Neither; 3]),
            (503, Some("10.0.0.1:80"), "503 of the origin", "503 of the origin", [Side::Neither; 3]),
            (503, Some("10.0.0.3:80"), "503 of the origin", "503 of the origin", [Side::Neither; 3]),
        ] {
            let values = value.into_iter().map(|text| text.as_bytes().to_vec()).collect();
            let seen = Seen { field: "who".to_owned(), values };
            let judged = |watch: &Watch| seen.judge(watch, status);
            let [of_created, of_updated, of_deleted] = sides;
            for (watch, name, side) in [
                (&created, name, of_created),
                (&updated, updated_name, of_updated),
                (&deleted, name, of_deleted),
            ] {
                let expected = Judgement { is_wanted: side == Side::After, name: name.to_owned(), side };
                assert_eq!(judged(watch), expected, "{status} {value:?} {watch:?}");
            }
        }
        let failed = Judgement::failed("timeout");
        assert!(!failed.is_wanted && failed.side == Side::Neither);
    }
}
