//! The requests that a load is made of, encoded once, and which of them a slot sends.

use crate::mixture::{Mixture, stream};
use crate::request::RequestSpec;
use crate::spec::WorkerSpec;

/// One request, ready for the wire.
pub(crate) struct Prepared {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) is_head: bool,
    /// It says that its connection is to be closed: nothing may follow it there (RFC 9112 section 9.6).
    pub(crate) is_last: bool,
    pub(crate) label: String,
}

/// Every request of a load.
pub(crate) struct Catalog {
    requests: Vec<Prepared>,
    mixture: Mixture,
}

impl Catalog {
    /// The requests of a worker, at least one; weights above zero.
    pub(crate) fn new(spec: &WorkerSpec) -> Self {
        let weights: Vec<f64> = spec.requests.iter().map(|request| request.weight).collect();
        Self {
            mixture: Mixture::new(&weights, stream(spec)),
            requests: spec.requests.iter().map(prepare).collect(),
        }
    }

    #[inline]
    pub(crate) fn request(&self, index: u32) -> &Prepared {
        &self.requests[index as usize]
    }

    /// The request of the slot with this number.
    #[inline]
    pub(crate) fn pick(&self, number: u64) -> u32 {
        self.mixture.pick(number)
    }

    /// The label of each request: "host path".
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.requests.iter().map(|request| request.label.as_str())
    }
}

fn prepare(spec: &RequestSpec) -> Prepared {
    Prepared {
        bytes: spec.encode().into(),
        is_head: spec.method == "HEAD",
        is_last: spec.headers.iter().any(|(name, value)| asks_to_close(name, value)),
        label: format!("{} {}", spec.host, spec.path),
    }
}

/// Whether a field is a Connection field with the option `close`, which may be one of several.
fn asks_to_close(name: &str, value: &str) -> bool {
    let is_close = |option: &str| option.trim().eq_ignore_ascii_case("close");
    name.trim().eq_ignore_ascii_case("connection") && value.split(',').any(is_close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::spec;

    #[test]
    fn a_request_is_the_last_of_its_connection_where_it_says_so() {
        for (name, value, is_last) in [
            ("Connection", "close", true),
            ("connection", "keep-alive, TE ,CLOSE", true),
            ("Connection", "keep-alive", false),
            ("Connection", "closed", false),
            ("X-Connection", "close", false),
        ] {
            let headers =
                vec![("Connection".to_owned(), "TE".to_owned()), (name.to_owned(), value.to_owned())];
            let request = RequestSpec { headers, ..spec().requests[0].clone() };
            assert_eq!(prepare(&request).is_last, is_last, "{name}: {value}");
        }
    }
}
