//! One of the requests of a load, and a request that stands for many: a hundred thousand routes that differ by a number
//! take one line of the spec.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Where the number of a series goes.
const PLACE: &str = "{}";

/// One of the requests that connections carry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: String,
    /// The Host field.
    pub host: String,
    /// More fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body, base64 in the JSON; its length is added as Content-Length where there is one.
    #[serde(deserialize_with = "from_base64")]
    pub body: Vec<u8>,
    /// How often it is sent beside the others.
    #[serde(default = "one")]
    pub weight: f64,
    /// Whether it stands for a series of requests, a number in place of each `{}` of host and path.
    #[serde(default)]
    pub numbers: Option<Numbers>,
}

/// The numbers of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// The first of them.
    pub first: u64,
    /// How many there are, each one more than the last.
    pub count: u64,
    /// How many digits each has at least, with zeros before it.
    #[serde(default)]
    pub width: usize,
}

fn one() -> f64 {
    1.0
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

impl RequestSpec {
    /// The request as it goes onto the wire.
    pub fn encode(&self) -> Vec<u8> {
        let Self { method, path, host, headers, body, .. } = self;
        let mut fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if !body.is_empty() || self.says_that_it_is_empty() {
            fields += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// A request whose method usually has a body says that it has none (RFC 9110, 8.6), unless its own fields speak of it.
    fn says_that_it_is_empty(&self) -> bool {
        let is_of_length = |name: &str| {
            ["Content-Length", "Transfer-Encoding"].iter().any(|length| length.eq_ignore_ascii_case(name))
        };
        ["POST", "PUT", "PATCH"].contains(&self.method.as_str())
            && !self.headers.iter().any(|(name, _)| is_of_length(name))
    }

    /// The requests that it stands for: itself, or one for each number.
    pub(crate) fn expanded(self) -> impl Iterator<Item = Self> {
        let Numbers { first, count, width } =
            self.numbers.unwrap_or(Numbers { first: 0, count: 1, width: 0 });
        (first..first.saturating_add(count)).map(move |number| {
            if self.numbers.is_none() {
                return self.clone();
            }
            let digits = format!("{number:0width$}");
            let numbered = |text: &str| text.replace(PLACE, &digits);
            Self { host: numbered(&self.host), path: numbered(&self.path), numbers: None, ..self.clone() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::spec;

    #[test]
    fn a_request_that_could_have_a_body_says_where_it_has_none() {
        let encoded = |method: &str, body: &[u8], fields: &[(&str, &str)]| {
            let headers = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let request = RequestSpec {
                method: method.to_owned(),
                body: body.to_vec(),
                headers,
                ..spec().requests[0].clone()
            };
            String::from_utf8(request.encode()).expect("text")
        };
        for method in ["POST", "PUT", "PATCH"] {
            assert!(encoded(method, b"", &[]).ends_with("Content-Length: 0\r\n\r\n"));
            assert!(encoded(method, b"abc", &[]).ends_with("Content-Length: 3\r\n\r\nabc"));
            let chunked = encoded(method, b"", &[("transfer-encoding", "chunked")]);
            assert!(!chunked.contains("Content-Length"), "{chunked}");
        }
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            assert!(!encoded(method, b"", &[]).contains("Content-Length"));
        }
    }

    fn expand(host: &str, path: &str, numbers: Option<Numbers>) -> Vec<(String, String)> {
        let (host, path) = (host.to_owned(), path.to_owned());
        let request = RequestSpec { path, host, numbers, ..spec().requests[0].clone() };
        request.expanded().map(|one| (one.host, one.path)).collect()
    }

    #[test]
    fn a_series_is_a_request_for_each_number() {
        let found = expand("r{}.test", "/{}/x", Some(Numbers { first: 9, count: 3, width: 2 }));
        let wanted = [("r09.test", "/09/x"), ("r10.test", "/10/x"), ("r11.test", "/11/x")];
        assert_eq!(found, wanted.map(|(host, path)| (host.to_owned(), path.to_owned())));
    }

    #[test]
    fn what_is_no_series_stays_as_it_is() {
        assert_eq!(expand("a", "/{}", None), [("a".to_owned(), "/{}".to_owned())]);
    }
}
