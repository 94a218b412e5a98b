//! Responses as servers send them, and subtly broken ones. Equal seeds give equal responses.

use rand_core::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a server sends in answer to one request.
pub(crate) struct Generated {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answers_head: bool,
}

/// The response of a seed.
pub(crate) fn generate(seed: u64) -> Generated {
    let mut random = Random(Xoshiro256PlusPlus::seed_from_u64(seed));
    let answers_head = random.one_in(8);
    let mut bytes = random.pick(INTERIM).as_bytes().to_vec();
    bytes.extend(random.response(answers_head).into_bytes());
    random.damage(&mut bytes);
    Generated { bytes, answers_head }
}

const INTERIM: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 \r\n\r\n",
];
const VERSIONS: &[&str] = &["1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.0", "1.0", "1.2", "2.0"];
const STATUSES: &[&str] = &[
    "200 OK",
    "200 OK",
    "200 OK",
    "200",
    "200 ",
    "204 No Content",
    "304 Not Modified",
    "205 Reset Content",
    "404 Nicht gefunden",
    "500 \u{fc}",
    "999 ?",
    "101 Switching Protocols",
    "099 Less",
    "20 OK",
    "2000 OK",
    "200OK",
];
const FIELDS: &[&str] = &[
    "Server: nginx/1.22.1\r\n",
    "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\n",
    "Content-Type:text/plain\r\n",
    "X-Padded: \t padded \t \r\n",
    "X-Empty:\r\n",
    "X-Text: \u{e4}\u{f6}\r\n",
    "Content-Lengths: 3\r\n",
    "X-Bare-Lf: 1\n",
    "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\n",
];
const BROKEN_FIELDS: &[&str] = &[
    "X-Folded: a\r\n b\r\n",
    "X-Space : 1\r\n",
    " X-Leading: 1\r\n",
    "No-Colon\r\n",
    ": no name\r\n",
    "X-Control: \u{1}\r\n",
    "X-Cr: a\rb\r\n",
];
const CONNECTIONS: &[&str] = &[
    "",
    "",
    "",
    "Connection: close\r\n",
    "connection: CLOSE\r\n",
    "Connection: keep-alive\r\n",
    "CONNECTION: Keep-Alive\r\n",
    "Connection: Upgrade, close\r\n",
    "Connection: ,keep-alive,\r\n",
    "Connection: keep-alive\r\nConnection: close\r\n",
    "Connection: closed\r\n",
    "Connection:\r\n",
];
const CODINGS: &[&str] = &[
    "chunked",
    "chunked",
    "Chunked",
    " chunked ",
    "gzip, chunked",
    "chunked, gzip",
    "gzip",
    "identity",
    "",
    "xchunked",
    "chunked;q=1",
];
const LENGTHS: &[&str] = &["5", "05", " 5 ", "5, 5", "5,6", "+5", "-5", "0x5", "5 5", "", "4", "6", "0"];
const EXTENSIONS: &[&str] =
    &["", "", "", ";", ";a", ";a=b", ";a=\"b c\"", " ", "\t;a", " a", ";a\rb", ";a\nb"];
const LINE_ENDS: &[&str] = &["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", ""];
const TRAILERS: &[&str] = &[
    "",
    "",
    "",
    "X-Sum: 1\r\n",
    "A: 1\r\nB: 2\r\n",
    "Content-Length: 9\r\n",
    "No-Colon\r\n",
    "A: 1\n",
    " A: 1\r\n",
];

struct Random(Xoshiro256PlusPlus);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len())]
    }

    fn response(&mut self, answers_head: bool) -> String {
        let (version, status) = (self.pick(VERSIONS), self.status());
        let (framing, body) = self.framing_and_body();
        let mut fields = vec![framing, self.pick(CONNECTIONS).to_owned()];
        for _ in 0..self.below(4) {
            fields.push(self.pick(FIELDS).to_owned());
        }
        if self.one_in(12) {
            fields.push(self.pick(BROKEN_FIELDS).to_owned());
        }
        if self.one_in(60) {
            fields.push(self.huge());
        }
        let first = self.below(fields.len());
        fields.rotate_left(first);
        let has_body = !answers_head && !status.starts_with("204") && !status.starts_with("304");
        let body = if has_body || self.one_in(8) { body } else { String::new() };
        format!("HTTP/{version} {status}\r\n{}\r\n{body}", fields.concat())
    }

    /// Most answers are ordinary; otherwise the strange statuses would hide what is strange in the rest.
    fn status(&mut self) -> &'static str {
        if self.one_in(3) { self.pick(STATUSES) } else { "200 OK" }
    }

    fn framing_and_body(&mut self) -> (String, String) {
        let hello = "hello".to_owned();
        match self.below(9) {
            0..3 => ("Content-Length: 5\r\n".to_owned(), hello),
            3 => (format!("Content-Length:{}\r\n", self.pick(LENGTHS)), hello),
            4 => {
                let (one, two) = (self.pick(LENGTHS), self.pick(LENGTHS));
                (format!("Content-Length: {one}\r\ncontent-length: {two}\r\n"), hello)
            }
            5 => (String::new(), hello),
            6 => {
                let both =
                    format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", self.pick(LENGTHS));
                (both, self.chunked())
            }
            7 => match (self.pick(CODINGS), self.chunked()) {
                // Servers that still say it say a length as well.
                (identity @ "identity", _) => {
                    (format!("Transfer-Encoding: {identity}\r\nContent-Length: 5\r\n"), hello)
                }
                (coding, chunked) => (format!("Transfer-Encoding: {coding}\r\n"), chunked),
            },
            _ => ("Transfer-Encoding: chunked\r\n".to_owned(), self.chunked()),
        }
    }

    fn chunked(&mut self) -> String {
        let mut body = String::new();
        for _ in 0..self.below(3) {
            let length = 1 + self.below(20);
            let size = if self.one_in(4) { format!("{length:03X}") } else { format!("{length:x}") };
            let (extension, end) = self.chunk_line();
            body +=
                &format!("{size}{extension}{end}{}\r\n", "0123456789abcdefghij".get(..length).unwrap_or(""));
        }
        let (extension, end) = self.chunk_line();
        body + "0" + extension + end + self.pick(TRAILERS) + "\r\n"
    }

    fn chunk_line(&mut self) -> (&'static str, &'static str) {
        let extension = if self.one_in(3) { self.pick(EXTENSIONS) } else { "" };
        (extension, if self.one_in(6) { self.pick(LINE_ENDS) } else { "\r\n" })
    }

    /// A head around the limits of size and number.
    fn huge(&mut self) -> String {
        match self.below(4) {
            0 => format!("X-Long: {}\r\n", "a".repeat(1_000 + self.below(20_000))),
            1 => format!("X-Long: {}\r\n", "a".repeat(70_000)),
            2 => "X: 1\r\n".repeat(110),
            _ => "X: 1\r\n".repeat(140),
        }
    }

    /// Changes one byte of some responses, cuts others, and appends to others.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(20) {
            0 => bytes[at] = b"\0\r\n\t :;,0aZ\xff"[self.below(12)],
            1 => bytes.insert(at, b"\0\r\n\t :;,0aZ\xff"[self.below(12)]),
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at.max(1)),
            4 => bytes.extend_from_slice(self.pick(&["x", "\r\n", "HTTP/1.1 200 OK\r\n\r\n"]).as_bytes()),
            _ => {}
        }
    }
}
