//! What a simulation is played with: the other end of every connection, and what the kernel holds of each.

/// What the kernel holds of each connection, and how fast the network takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffers {
    /// What may have arrived and not been read: the receive window.
    pub receive_bytes: usize,
    /// What may have been written and not left.
    pub send_bytes: usize,
    /// How long 1,024 bytes take to leave.
    pub send_ns_per_kib: u64,
    /// How long the program takes to read 1,024 bytes.
    pub read_ns_per_kib: u64,
}

impl Default for Buffers {
    /// Without limits.
    fn default() -> Self {
        Self { receive_bytes: usize::MAX, send_bytes: usize::MAX, send_ns_per_kib: 0, read_ns_per_kib: 0 }
    }
}

/// What becomes of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// It is established after this long.
    Accept(u64),
    /// It is refused after this long.
    Refuse(u64),
    /// Nothing ever answers.
    Ignore,
    /// The segment is lost, as where the listen queue is full. The kernel sends another after a second, then after two
    /// more, and so on, and the server decides about each.
    Lose,
    /// This machine has no descriptor left.
    NoDescriptor,
}

/// A piece of what a server does after it got a request, this long after the piece before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends bytes.
    Send(u64, Vec<u8>),
    /// Sends the same bytes over and over, as fast as they are read. Needs a receive window with a limit.
    SendForEver(u64, Vec<u8>),
    /// Closes in order.
    Close(u64),
    /// Resets.
    Reset(u64),
}

/// The other end of every connection.
pub trait Server {
    /// Decides about a connection attempt.
    fn welcome(&mut self, _now_ns: u64) -> Welcome {
        Welcome::Accept(0)
    }

    /// Decides what follows a request that arrived whole.
    fn answer(&mut self, now_ns: u64) -> Vec<Step>;

    /// How many of these bytes the kernel takes in one write; it takes more a little later.
    fn takes(&mut self, len: usize) -> usize {
        len
    }

    /// Decides what follows a part of a request, the rest of which has not arrived.
    fn interrupt(&mut self, _now_ns: u64) -> Vec<Step> {
        vec![]
    }
}
