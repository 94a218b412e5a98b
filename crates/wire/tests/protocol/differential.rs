//! The response parser beside hyper's client, on generated responses, whole and split at every byte.
//!
//! Both read heads with httparse, so this compares what is built on it: framing, connections and the order of rules.

use seatrial_wire::{ProtocolError, Response};

use crate::checks::response;
use crate::generated::{Generated, generate};
use crate::judge::{Verdict, hyper_verdict};

const SEEDS: u64 = 5_000;
/// Splitting a huge head everywhere takes minutes and shows nothing that a stride does not.
const CUTS: usize = 600;

/// Why the two may disagree, and whether a case is one of that.
type Difference = (&'static str, fn(&Case) -> bool);

/// Where the two may disagree, and who is right.
const DIFFERENCES: &[Difference] = &[
    ("RFC 9110 section 15.2.2: 101 answers an Upgrade, which was never sent. Ours refuses it.", |case| {
        case.is(Err(ProtocolError::Head)) && matches!(case.theirs, Verdict::Answered { status: 101, .. })
    }),
    (
        "RFC 9112 section 6.1: HTTP/1.0 with a transfer coding is read, then closed. hyper refuses or keeps it.",
        |case| {
            matches!(case.ours, Ok(Response { keep_alive: false, .. }))
                && case.has("HTTP/1.0 ")
                && case.has("transfer-encoding:")
                && match &case.theirs {
                    Verdict::Refused => true,
                    Verdict::Answered { status, body, .. } => case.agrees(*status, body),
                }
        },
    ),
    (
        "RFC 9112 section 6.3: bytes after the end are no response. Ours reports them, hyper only closes.",
        |case| {
            case.is(Err(ProtocolError::Excess))
                && matches!(case.theirs, Verdict::Answered { status, ref body, is_kept: false } if case.agrees(status, body))
        },
    ),
    (
        "RFC 2616 section 3.6: `identity` is no coding. hyper reads such an answer to the end of the connection.",
        Case::is_explained_without_identity,
    ),
    (
        "RFC 9110 section 5.4: the size of a head is each one's own choice. Ours counts it more exactly.",
        |case| {
            case.is(Err(ProtocolError::HeadTooLarge)) && case.bytes.len() > seatrial_wire::HEAD_LIMIT_BYTES
        },
    ),
    ("RFC 9112 section 7.1.2: trailers may be thrown away. hyper parses them as fields first.", |case| {
        case.ours.is_ok() && case.theirs == Verdict::Refused && case.is_same_without_trailers()
    }),
];

/// One response and what the two say of it.
struct Case {
    bytes: Vec<u8>,
    answers_head: bool,
    text: String,
    ours: Result<Response, ProtocolError>,
    status: u16,
    body: Vec<u8>,
    theirs: Verdict,
}

impl Case {
    fn new(generated: &Generated) -> Self {
        let pieces = [generated.bytes.as_slice()];
        let seen = response::receive(&pieces, generated.answers_head);
        Self {
            bytes: generated.bytes.clone(),
            answers_head: generated.answers_head,
            text: String::from_utf8_lossy(&generated.bytes).to_lowercase(),
            ours: seen.response.expect("every response has an outcome"),
            status: seen.heads.first().map_or(0, |head| head.0),
            body: seen.body,
            theirs: hyper_verdict(&pieces, generated.answers_head),
        }
    }

    fn is_same(&self) -> bool {
        match (&self.ours, &self.theirs) {
            (Ok(response), Verdict::Answered { status, body, is_kept }) => {
                response.status == *status && self.body == *body && response.keep_alive == *is_kept
            }
            (Err(_), Verdict::Refused) => true,
            _ => false,
        }
    }

    fn is(&self, ours: Result<Response, ProtocolError>) -> bool {
        self.ours == ours
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(&text.to_lowercase())
    }

    fn agrees(&self, status: u16, body: &[u8]) -> bool {
        self.status == status && self.body == body
    }

    /// Whether ours says of it what it says without the field, and hyper then agrees or differs for another reason.
    fn is_explained_without_identity(&self) -> bool {
        const FIELD: &str = "transfer-encoding: identity\r\n";
        let text = self.bytes.to_ascii_lowercase();
        let Some(at) = text.windows(FIELD.len()).position(|field| field == FIELD.as_bytes()) else {
            return false;
        };
        let bytes = [&self.bytes[..at], &self.bytes[at + FIELD.len()..]].concat();
        let bare = Self::new(&Generated { bytes, answers_head: self.answers_head });
        let is_explained = bare.is_same() || DIFFERENCES.iter().any(|(_, explains)| explains(&bare));
        is_explained && bare.ours == self.ours && bare.body == self.body
    }

    /// Whether both say of it without what follows the last chunk's line what ours says of all.
    fn is_same_without_trailers(&self) -> bool {
        let Some(last) = self.bytes.windows(3).rposition(|three| three == b"\r\n0") else { return false };
        let Some(length) = self.bytes[last + 2..].iter().position(|&byte| byte == b'\n') else {
            return false;
        };
        let bytes = [&self.bytes[..=last + 2 + length], b"\r\n"].concat();
        let bare = Self::new(&Generated { bytes, answers_head: self.answers_head });
        bare.is_same() && bare.ours == self.ours && bare.body == self.body
    }
}

#[test]
fn hyper_agrees_but_where_a_difference_is_explained() {
    let mut explained = vec![0; DIFFERENCES.len()];
    let mut answered = 0;
    for seed in seeds() {
        let case = Case::new(&generate(seed));
        answered += u64::from(case.ours.is_ok());
        if case.is_same() {
            continue;
        }
        let reason = DIFFERENCES.iter().position(|(_, explains)| explains(&case));
        let reason = reason.unwrap_or_else(|| {
            panic!(
                "ours: {:?} with {:?}, hyper: {:?}, of {:?}\n{}",
                case.ours,
                String::from_utf8_lossy(&case.body),
                case.theirs,
                case.text,
                replay(seed)
            )
        });
        explained[reason] += 1;
    }
    if seeds().count() > 1 {
        assert!(answered > SEEDS / 4, "only {answered} of {SEEDS} were answers");
        for ((why, _), count) in DIFFERENCES.iter().zip(&explained) {
            assert!(*count > 0, "never seen, so it can be deleted: {why}");
        }
    }
}

#[test]
fn a_split_anywhere_changes_nothing() {
    for seed in seeds() {
        let Generated { bytes, answers_head } = generate(seed);
        let whole = response::receive(&[&bytes], answers_head);
        for cut in (1..bytes.len()).step_by(bytes.len().div_ceil(CUTS)) {
            let split = response::receive(&[&bytes[..cut], &bytes[cut..]], answers_head);
            assert_eq!(split, whole, "cut at {cut}\n{}", replay(seed));
        }
    }
}

#[test]
fn hyper_itself_says_the_same_of_single_bytes() {
    for seed in seeds() {
        let Generated { bytes, answers_head } = generate(seed);
        // Its limit of a head's size depends on how much it reads at once.
        if bytes.len() < seatrial_wire::HEAD_LIMIT_BYTES / 2 {
            let singly: Vec<_> = bytes.chunks(1).collect();
            let whole = hyper_verdict(&[&bytes], answers_head);
            assert_eq!(hyper_verdict(&singly, answers_head), whole, "{}", replay(seed));
        }
    }
}

/// All seeds, or the one of the environment.
fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("SEED is a whole number"),
        Err(_) => 0..SEEDS,
    }
}

fn replay(seed: u64) -> String {
    format!("replay it: SEED={seed} cargo test -p seatrial-wire --test protocol")
}
