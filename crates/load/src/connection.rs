//! One connection that carries requests, and what its peer's bytes mean for the one under way.

use seatrial_wire::{KnownHead, Outcome, ProtocolError, Response, ResponseParser};

use crate::expect::{Evidence, Expectations};
use crate::failure::Failure;
use crate::links::{Link, Linked};
use crate::schedule::{Phase, Slot};

/// No socket.
pub(crate) const CLOSED: i32 = -1;

/// Where a connection is in its life; it is in the list of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Never opened, or resting after a failure.
    Closed,
    Connecting,
    /// In the free list.
    Free,
    /// In the busy list.
    Busy,
}

pub(crate) struct Connection {
    pub(crate) socket: i32,
    pub(crate) generation: u32,
    pub(crate) link: Link,
    /// When the state began: the connect() of a connecting one, the send of a busy one, the answer to a free one.
    pub(crate) since_ns: u64,
    /// How much earlier it would have been free, had its requests left in time.
    pub(crate) late_ns: u64,
    pub(crate) opened_ns: u64,
    pub(crate) slot: Slot,
    /// Which request of the catalog it carries.
    pub(crate) request: u32,
    /// Bytes of the request that the driver has taken.
    pub(crate) written: u32,
    /// Those of them that were counted, since the socket has them.
    pub(crate) counted: u32,
    /// Bytes of the answer that have come.
    pub(crate) received: u32,
    /// Answers that this connection has brought.
    pub(crate) answered: u32,
    /// Failures in a row.
    pub(crate) failures: u32,
    pub(crate) state: State,
    pub(crate) was_open: bool,
    /// It is not there, and not because its life has ended as planned.
    pub(crate) is_missing: bool,
    /// A write has met a reset: reading, which will not, comes to an end that is none.
    pub(crate) is_broken: bool,
    /// The server may be waiting for this program to read or to write.
    pub(crate) is_pressing: bool,
    /// There is more to read, which no event will report again; and whether the stream has ended behind it.
    pub(crate) is_unread: bool,
    pub(crate) has_closed: bool,
    pub(crate) parser: ResponseParser,
    /// Only where answers are looked at.
    pub(crate) evidence: Option<Box<Evidence>>,
}

impl Linked for Connection {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl Connection {
    pub(crate) fn new(expectations: Option<&Expectations>) -> Self {
        Self {
            socket: CLOSED,
            generation: 0,
            link: Link::default(),
            since_ns: 0,
            late_ns: 0,
            opened_ns: 0,
            slot: Slot { intended_ns: 0, phase: Phase::WarmUp, number: 0 },
            request: 0,
            written: 0,
            counted: 0,
            received: 0,
            answered: 0,
            failures: 0,
            state: State::Closed,
            was_open: false,
            is_missing: true,
            is_broken: false,
            is_pressing: false,
            is_unread: false,
            has_closed: false,
            parser: ResponseParser::default(),
            evidence: expectations.map(|expectations| Box::new(expectations.evidence())),
        }
    }

    /// What bytes that arrived mean for the request under way.
    #[inline]
    pub(crate) fn interpret(&mut self, bytes: &[u8], at_ns: u64, known: &mut KnownHead) -> Verdict {
        if self.state != State::Busy {
            return Verdict::Failed(Failure::ProtocolExcess);
        }
        let outcome = match &mut self.evidence {
            None => self.parser.receive(bytes, known),
            Some(evidence) => self.parser.receive(bytes, evidence.as_mut()),
        };
        match outcome {
            Ok(Outcome::NeedMore) => Verdict::Continues,
            Ok(Outcome::Complete(response)) => Verdict::Complete(response, at_ns),
            Err(error) => Verdict::Failed(Failure::of_protocol(error)),
        }
    }

    /// What the end of the stream means for it.
    pub(crate) fn end_of_stream(&mut self, now_ns: u64) -> Verdict {
        if self.state != State::Busy {
            return Verdict::EndedIdle { was_reset: false };
        }
        if self.is_broken {
            return Verdict::Failed(Failure::WriteFailed);
        }
        match self.parser.end_of_stream() {
            Ok(response) => Verdict::Complete(response, now_ns),
            Err(ProtocolError::PrematureClose) => Verdict::Failed(Failure::PrematureClose),
            Err(error) => Verdict::Failed(Failure::of_protocol(error)),
        }
    }
}

/// What a peer's answer, or its absence, means for the request.
pub(crate) enum Verdict {
    Complete(Response, u64),
    Continues,
    Failed(Failure),
    /// The peer ended a connection on which nothing had been asked.
    EndedIdle {
        was_reset: bool,
    },
}

impl Verdict {
    /// What it means where the bytes came after the request's time was over.
    #[cold]
    pub(crate) fn too_late(self) -> Self {
        match self {
            Self::Complete(..) | Self::Continues => Self::Failed(Failure::Timeout),
            other => other,
        }
    }
}
