//! Idle connections: open, silent, and no more than eight bytes each.

use std::collections::VecDeque;

use seatrial_net::address::RawAddress;
use seatrial_net::{Driver, Event};

use crate::failure::Failure;
use crate::opener::Opener;
use crate::recorder::Recorder;
use crate::token::Token;

const CLOSED: i32 = -1;
/// What an idle connection is sent unasked is read past in pieces of this size.
const SCRATCH_BYTES: usize = 4096;

#[derive(Clone, Copy)]
struct Slot {
    socket: i32,
    generation: u32,
}

struct Attempt {
    index: u32,
    generation: u32,
    started_ns: u64,
}

/// The idle connections of one worker.
pub(crate) struct Held {
    slots: Vec<Slot>,
    closed: Vec<u32>,
    /// Attempts under way, oldest first; those that ended otherwise are skipped by their generation.
    attempts: VecDeque<Attempt>,
    established: u32,
    was_complete: bool,
}

impl Held {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            slots: vec![Slot { socket: CLOSED, generation: 0 }; count as usize],
            closed: (0..count).rev().collect(),
            attempts: VecDeque::new(),
            established: 0,
            was_complete: false,
        }
    }

    pub(crate) fn established(&self) -> u32 {
        self.established
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.established as usize == self.slots.len()
    }

    /// Whether a connection is missing that nothing is being done about yet.
    pub(crate) fn wants_to_open(&self) -> bool {
        !self.closed.is_empty()
    }

    /// When the oldest attempt under way is given up.
    pub(crate) fn oldest_attempt_ns(&self) -> Option<u64> {
        self.attempts.front().map(|attempt| attempt.started_ns)
    }

    /// Starts one connection. The caller has the opener's permission.
    pub(crate) fn open_one<D: Driver>(
        &mut self,
        driver: &mut D,
        route: (&RawAddress, Option<&RawAddress>),
        opener: &mut Opener,
        recorder: &mut Recorder,
    ) {
        let Some(index) = self.closed.pop() else { return };
        let slot = &mut self.slots[index as usize];
        slot.generation = Token::next_generation(slot.generation);
        let token = Token::held(index, slot.generation);
        let started_ns = driver.now_ns();
        match driver.connect(token.into(), route.0, route.1) {
            Ok(socket) => {
                slot.socket = socket;
                self.attempts.push_back(Attempt { index, generation: slot.generation, started_ns });
            }
            Err(error) => {
                self.closed.push(index);
                recorder.failure(Failure::of_connect(&error));
                opener.failed(started_ns);
            }
        }
    }

    /// Takes an event of the connection `index`.
    pub(crate) fn on_event<D: Driver>(
        &mut self,
        driver: &mut D,
        token: Token,
        event: &Event,
        opener: &mut Opener,
        recorder: &mut Recorder,
    ) {
        let slot = self.slots[token.index() as usize];
        if slot.generation != token.generation() || slot.socket == CLOSED {
            return;
        }
        let attempt = self.attempts.iter().position(|attempt| attempt.index == token.index());
        if let Some(position) = attempt
            && !self.on_connected(driver, slot.socket, position, opener, recorder)
        {
            return;
        }
        if (event.readable || event.closed) && Self::has_ended(driver, slot.socket) {
            recorder.closed_by_peer();
            self.established -= 1;
            self.close(driver, token.index());
        }
    }

    fn on_connected<D: Driver>(
        &mut self,
        driver: &mut D,
        socket: i32,
        position: usize,
        opener: &mut Opener,
        recorder: &mut Recorder,
    ) -> bool {
        let now_ns = driver.now_ns();
        let Some(attempt) = self.attempts.remove(position) else { return false };
        match driver.connected(socket) {
            Ok(()) => {
                self.established += 1;
                opener.succeeded();
                recorder.opened(now_ns.saturating_sub(attempt.started_ns));
                if self.was_complete {
                    recorder.reconnected();
                }
                self.was_complete |= self.is_complete();
                true
            }
            Err(error) => {
                recorder.failure(Failure::of_connect(&error));
                opener.failed(now_ns);
                self.close(driver, attempt.index);
                false
            }
        }
    }

    /// Reads past what came; returns whether the stream has ended.
    fn has_ended<D: Driver>(driver: &mut D, socket: i32) -> bool {
        let mut scratch = [0; SCRATCH_BYTES];
        loop {
            match driver.receive(socket, &mut scratch) {
                Ok(received) if received.len > 0 => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// Gives up attempts that began before `before_ns`.
    pub(crate) fn expire<D: Driver>(
        &mut self,
        driver: &mut D,
        before_ns: u64,
        opener: &mut Opener,
        recorder: &mut Recorder,
    ) {
        while self.oldest_attempt_ns().is_some_and(|started_ns| started_ns < before_ns) {
            let Some(attempt) = self.attempts.pop_front() else { return };
            if self.slots[attempt.index as usize].generation == attempt.generation {
                recorder.failure(Failure::ConnectTimeout);
                opener.failed(driver.now_ns());
                self.close(driver, attempt.index);
            }
        }
    }

    fn close<D: Driver>(&mut self, driver: &mut D, index: u32) {
        let slot = &mut self.slots[index as usize];
        driver.close(slot.socket, true);
        slot.socket = CLOSED;
        self.closed.push(index);
    }

    /// Resets every connection: a hundred thousand orderly closes would leave as many ports in `TIME_WAIT`.
    pub(crate) fn close_all<D: Driver>(&mut self, driver: &mut D) {
        for slot in &mut self.slots {
            if slot.socket != CLOSED {
                driver.close(slot.socket, true);
                slot.socket = CLOSED;
            }
        }
        self.established = 0;
    }
}
