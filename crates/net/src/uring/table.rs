//! What is known of each connection, by its descriptor.

use super::buffers::NONE;

/// How a connection's bytes reach this driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Closed,
    Connecting,
    /// A multishot receive puts them into buffers.
    Receiving,
    /// Its owner did not read, so the receive is being called off: the buffers are for those who do.
    Switching,
    /// They stay with the kernel, which reports that there are some.
    Polling,
}

/// How a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    None,
    Orderly,
    Broken(i32),
}

/// One connection, or a descriptor that may become one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) token: u64,
    /// Counts the connections that had this descriptor: what completes for an earlier one is not for this one.
    pub(super) generation: u32,
    /// Where its event of this look is, if that is its own.
    pub(super) reported: u32,
    /// How much of the send under way, or of the one that failed, the socket has not taken.
    pub(super) unsent: u32,
    /// The buffers with what has arrived and is not read: first and last.
    pub(super) arrived: (u16, u16),
    pub(super) stage: Stage,
    pub(super) end: End,
    /// A receive or a poll is under way.
    pub(super) is_armed: bool,
    pub(super) is_sending: bool,
    /// The owner wanted to send more than was taken, and waits to hear that it may.
    pub(super) is_blocked: bool,
    /// It is on the list of those that must have been read by the next look.
    pub(super) is_fresh: bool,
}

impl Slot {
    pub(super) const BLANK: Self = Self {
        token: 0,
        generation: 0,
        reported: 0,
        unsent: 0,
        arrived: (NONE, NONE),
        stage: Stage::Closed,
        end: End::None,
        is_armed: false,
        is_sending: false,
        is_blocked: false,
        is_fresh: false,
    };
}

/// What a request to the kernel was for; it comes back with its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A poll of a descriptor that is not a connection; the number is its place in a list.
    Watch,
    /// The poll for a connection being established.
    Connect,
    /// The multishot receive.
    Receive,
    /// The poll of a connection that is read from directly.
    Poll,
    /// A send; the number is that of its buffer.
    Send,
    /// A request to call off others.
    Cancel,
}

const KINDS: [Kind; 6] = [Kind::Watch, Kind::Connect, Kind::Receive, Kind::Poll, Kind::Send, Kind::Cancel];
pub(super) const GENERATION_MASK: u32 = (1 << 24) - 1;

/// The 64 bits that come back: kind, generation, and a descriptor or another number.
pub(super) fn label(kind: Kind, generation: u32, number: u32) -> u64 {
    (kind as u64) << 56 | u64::from(generation & GENERATION_MASK) << 32 | u64::from(number)
}

/// The reverse of [`label`]; None where no request of ours has such a label.
pub(super) fn unlabel(label: u64) -> Option<(Kind, u32, u32)> {
    let kind = KINDS.get((label >> 56) as usize)?;
    Some((*kind, (label >> 32) as u32 & GENERATION_MASK, label as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_brings_back_what_it_was_made_of() {
        for kind in KINDS {
            assert_eq!(
                unlabel(label(kind, GENERATION_MASK, u32::MAX)),
                Some((kind, GENERATION_MASK, u32::MAX))
            );
        }
        assert_eq!(unlabel(u64::MAX), None);
    }

    #[test]
    fn an_idle_connection_takes_little() {
        assert!(size_of::<Slot>() <= 40, "{}", size_of::<Slot>());
    }
}
