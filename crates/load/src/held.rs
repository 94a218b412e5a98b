//! Idle connections: open, almost or wholly silent, and no more than 24 bytes each.

use std::collections::VecDeque;

use seatrial_net::{Driver, Event};

use self::awaited::Awaited;
use self::pace::Pace;
use crate::connection::CLOSED;
use crate::recorder::Recorder;
use crate::spec::HoldTraffic;
use crate::token::Token;
use crate::turn::Turn;

mod awaited;
mod lifecycle;
mod pace;
mod traffic;

#[derive(Clone, Copy)]
struct Slot {
    socket: i32,
    generation: u32,
    /// Which request of the catalog is the current one, and how many bytes of it were sent.
    request: u32,
    written: u32,
    /// When it was established, since the beginning of the load.
    since_ms: u32,
    is_established: bool,
    /// There is more to read, which no event will report again.
    is_unread: bool,
    awaited: Awaited,
}

/// Hundreds of thousands are held.
const _: () = assert!(size_of::<Slot>() <= 24);

struct Attempt {
    index: u32,
    started_ns: u64,
}

/// The idle connections of one worker.
pub(crate) struct Held {
    slots: Vec<Slot>,
    closed: Vec<u32>,
    /// Attempts under way, oldest first.
    attempts: VecDeque<Attempt>,
    established: u32,
    /// The fewest that were established at any moment since the last frame, and how many the peer has ended since.
    fewest: u32,
    lost: u64,
    was_complete: bool,
    failures: u32,
    rests_until_ns: u64,
    pace: Pace,
    /// Requests that were begun: each is another slot of the mixture.
    begun: u64,
    epoch_ns: u64,
    /// Those that have more to read than was read in their turn, the first of them first.
    unread: VecDeque<u32>,
    turn: Turn,
}

impl Held {
    pub(crate) fn new(count: u32, traffic: HoldTraffic, now_ns: u64) -> Self {
        let slot = Slot {
            socket: CLOSED,
            generation: 0,
            request: 0,
            written: 0,
            since_ms: 0,
            is_established: false,
            is_unread: false,
            awaited: Awaited::default(),
        };
        Self {
            slots: vec![slot; count as usize],
            closed: (0..count).rev().collect(),
            attempts: VecDeque::new(),
            established: 0,
            fewest: 0,
            lost: 0,
            was_complete: false,
            failures: 0,
            rests_until_ns: 0,
            pace: Pace::new(traffic, count, now_ns),
            begun: 0,
            epoch_ns: now_ns,
            unread: VecDeque::new(),
            turn: Turn::default(),
        }
    }

    /// The loop has woken, and looks at what has come.
    #[inline]
    pub(crate) fn wake(&mut self, awake_ns: u64) {
        self.turn.begin(awake_ns);
    }

    /// Whether nobody waits for this program to read: no answer is asked for, or it is read slowly on purpose.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        !matches!(self.pace.traffic(), HoldTraffic::Request { .. })
    }

    /// Whether connections have more to read, which no event will report.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    pub(crate) fn established(&self) -> u32 {
        self.established
    }

    /// The fewest that were established since the last call, and how many the peer has ended since.
    pub(crate) fn take_losses(&mut self) -> (u32, u64) {
        let losses = (self.fewest, self.lost);
        (self.fewest, self.lost) = (self.established, 0);
        losses
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.established as usize == self.slots.len()
    }

    /// When one that is missing may be opened.
    pub(crate) fn next_opening_ns(&self) -> Option<u64> {
        (!self.closed.is_empty()).then_some(self.rests_until_ns)
    }

    /// How many attempts are under way.
    pub(crate) fn connecting(&self) -> u32 {
        self.attempts.len() as u32
    }

    /// When the oldest attempt under way began.
    pub(crate) fn oldest_attempt_ns(&self) -> Option<u64> {
        self.attempts.front().map(|attempt| attempt.started_ns)
    }

    /// When the next connection has something to do.
    pub(crate) fn next_action_ns(&self) -> Option<u64> {
        self.pace.next_ns()
    }

    /// Takes an event of an idle connection.
    pub(crate) fn on_event<D: Driver>(
        &mut self,
        driver: &mut D,
        token: Token,
        event: &Event,
        recorder: &mut Recorder,
    ) {
        let index = token.index();
        let slot = self.slots[index as usize];
        if slot.generation != token.generation() || slot.socket == CLOSED {
            return;
        }
        if !slot.is_established && !self.on_connected(driver, (index, event), recorder) {
            return;
        }
        // A slow reader takes what came when its turn comes, and the kernel's buffers hold the rest.
        let reads_slowly = matches!(self.pace.traffic(), HoldTraffic::SlowRead { .. });
        if event.closed || event.readable && !reads_slowly {
            if self.turn.is_over() {
                self.put_off(index);
            } else {
                self.read_past(driver, index, recorder);
            }
        }
    }
}
