//! What the server keeps of a client's connection.

use seatrial_wire::RequestParser;

use crate::spec::Fault;
use crate::stream::Stream;

/// In how many pieces a slow body leaves.
pub(crate) const PIECES: u32 = 10;

/// An answer that is held back or half written.
#[derive(Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) answer: usize,
    pub(crate) written: usize,
    /// Pieces of a slow body that may leave.
    pub(crate) pieces: u32,
    pub(crate) keep_alive: bool,
    pub(crate) is_head: bool,
    pub(crate) is_due: bool,
    pub(crate) fault: Option<Fault>,
}

impl Pending {
    /// How much of an answer may leave by now, of which `body_bytes` are its body.
    #[inline]
    pub(crate) fn allowed(&self, bytes: usize, body_bytes: usize) -> usize {
        match self.fault {
            Some(Fault::Slow { .. }) => {
                bytes - body_bytes + body_bytes * self.pieces as usize / PIECES as usize
            }
            _ => bytes,
        }
    }

    /// Whether the connection goes on after the answer.
    #[inline]
    pub(crate) fn goes_on(&self) -> bool {
        self.keep_alive && !matches!(self.fault, Some(Fault::Half | Fault::Garbage))
    }
}

pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) generation: u32,
    pub(crate) parser: RequestParser,
    /// Requests so far.
    pub(crate) requests: u32,
    /// Where it came in.
    pub(crate) listener: u32,
    /// A request whose body is still arriving.
    pub(crate) asked: Option<Pending>,
    /// A request whose answer is on its way.
    pub(crate) pending: Option<Pending>,
    /// The answer that is on its way, where it was made for this request alone.
    pub(crate) made: Option<Box<[u8]>>,
    /// What a pipelining client sent behind the request that is being answered.
    pub(crate) unread: Vec<u8>,
}

impl Connection {
    /// What its events are known by, of the connection at this `index`.
    pub(crate) fn token(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }

    /// A slot without a connection.
    pub(crate) fn vacant() -> Self {
        Self {
            stream: Stream::closed(),
            generation: 0,
            parser: RequestParser::default(),
            requests: 0,
            listener: 0,
            asked: None,
            pending: None,
            made: None,
            unread: Vec::new(),
        }
    }
}
