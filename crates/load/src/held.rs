//! Idle connections: open, almost or wholly silent, and no more than 24 bytes each.

use std::collections::VecDeque;
use std::io;

use seatrial_net::tls::TlsFailure;
use seatrial_net::{Driver, Ended, Event, Route, Use};

use crate::awaited::Awaited;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::hold::HoldPace;
use crate::opener::rest_ns;
use crate::recorder::Recorder;
use crate::spec::HoldTraffic;
use crate::token::Token;
use crate::turn::Turn;

const CLOSED: i32 = -1;
/// What an idle connection is sent is read past in pieces of this size.
const SCRATCH_BYTES: usize = 4096;
/// After so many pieces in a row the other connections are read first.
const PIECES_AT_ONCE: u32 = 16;
/// So many act before everything else has its turn.
const AT_ONCE: u32 = 256;
/// A connection that the peer ends sooner was not welcome: it is above some limit there, and is not hurried back.
const UNWELCOME_NS: u64 = 1_000_000_000;
/// So long after its last rest a failure is the first again.
const FORGIVEN_NS: u64 = 1_000_000_000;
const NS_PER_MS: u64 = 1_000_000;

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
    pace: HoldPace,
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
            pace: HoldPace::new(traffic, count, now_ns),
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

    /// Starts one connection. The caller has the opener's permission.
    pub(crate) fn open_one<D: Driver>(&mut self, driver: &mut D, route: Route<'_>, recorder: &mut Recorder) {
        let Some(index) = self.closed.pop() else { return };
        let slot = &mut self.slots[index as usize];
        slot.generation = Token::next_generation(slot.generation);
        let token = Token::held(index, slot.generation);
        let started_ns = driver.now_ns();
        let is_silent = matches!(self.pace.traffic(), HoldTraffic::Silent);
        let purpose = if is_silent { Use::Idleness } else { Use::Requests };
        match driver.connect(token.into(), route, purpose) {
            Ok(socket) => {
                slot.socket = socket;
                self.attempts.push_back(Attempt { index, started_ns });
            }
            Err(error) => {
                self.closed.push(index);
                recorder.failure(Failure::of_connect(&error));
                self.rest(started_ns);
            }
        }
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

    fn on_connected<D: Driver>(
        &mut self,
        driver: &mut D,
        (index, event): (u32, &Event),
        recorder: &mut Recorder,
    ) -> bool {
        let now_ns = driver.now_ns();
        let Some(position) = self.attempts.iter().position(|attempt| attempt.index == index) else {
            return false;
        };
        let Some(attempt) = self.attempts.remove(position) else { return false };
        let took_ns = now_ns.saturating_sub(attempt.started_ns);
        match driver.connected(self.slots[index as usize].socket, Ended::of(event, took_ns)) {
            Ok(connected) => {
                let slot = &mut self.slots[index as usize];
                (slot.is_established, slot.written) = (true, 0);
                slot.since_ms = (now_ns.saturating_sub(self.epoch_ns) / NS_PER_MS) as u32;
                self.established += 1;
                if now_ns >= self.rests_until_ns + FORGIVEN_NS {
                    self.failures = 0;
                }
                let connect_ns = recorder.handshake(took_ns, connected.tls);
                recorder.opened(connect_ns, connected.retransmissions);
                if self.was_complete {
                    recorder.reconnected();
                }
                self.was_complete |= self.is_complete();
                true
            }
            Err(error) => {
                let socket = self.slots[index as usize].socket;
                recorder.given_up(Failure::of_connect(&error), driver.retransmissions(socket));
                self.rest(now_ns);
                self.close(driver, index, recorder);
                false
            }
        }
    }

    fn read_past<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let mut scratch = [0; SCRATCH_BYTES];
        for pieces in 1.. {
            match driver.receive(self.slots[index as usize].socket, &mut scratch) {
                Ok(received) if received.len > 0 => {
                    self.look(index, &scratch[..received.len], recorder);
                    self.turn.read(received.len, || driver.now_ns());
                    if pieces == PIECES_AT_ONCE || self.turn.is_over() {
                        return self.put_off(index);
                    }
                }
                Ok(_) => return self.ended_by_peer(driver, index, recorder),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.broke(driver, index, recorder, &error),
            }
        }
    }

    /// Others are read first.
    fn put_off(&mut self, index: u32) {
        if !std::mem::replace(&mut self.slots[index as usize].is_unread, true) {
            self.unread.push_back(index);
        }
    }

    /// Goes on with those that had to wait, as long as the turn lasts.
    pub(crate) fn read_on<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        while !self.turn.is_over()
            && let Some(index) = self.unread.pop_front()
        {
            // It may have been closed since, and even be in the list once more.
            if std::mem::take(&mut self.slots[index as usize].is_unread) {
                self.read_past(driver, index, recorder);
            }
        }
    }

    /// Only TLS has errors that are more than a reset.
    fn broke<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder, error: &io::Error) {
        if TlsFailure::of(error).is_some() {
            recorder.failure(Failure::of_read(error));
        } else {
            // A TLS stream may end without the word that it would.
            recorder.ended_by_peer(error.kind() != io::ErrorKind::UnexpectedEof);
        }
        self.lose(driver, index, recorder);
    }

    fn ended_by_peer<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        recorder.ended_by_peer(false);
        self.lose(driver, index, recorder);
    }

    /// An established connection has ended, with TLS perhaps because the peer wanted it no more than an attempt: a
    /// client's certificate is refused only after TLS 1.3 is established.
    fn lose<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        self.lost += 1;
        let now_ns = driver.now_ns();
        let since_ns = self.epoch_ns + u64::from(self.slots[index as usize].since_ms) * NS_PER_MS;
        let lived_ns = now_ns.saturating_sub(since_ns);
        recorder.held_lived(lived_ns);
        if lived_ns < UNWELCOME_NS {
            self.rest(now_ns);
        }
        self.close(driver, index, recorder);
    }

    /// Looks at what came for the status of an answer.
    fn look(&mut self, index: u32, bytes: &[u8], recorder: &mut Recorder) {
        let awaited = &mut self.slots[index as usize].awaited;
        if awaited.is_open()
            && let Some(class) = awaited.read(bytes)
        {
            recorder.held_answer(class);
        }
    }

    /// Lets every connection act whose turn has come.
    pub(crate) fn act<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        recorder: &mut Recorder,
        now_ns: u64,
    ) {
        for _ in 0..AT_ONCE {
            let Some(index) = self.pace.take(now_ns) else { return };
            if !self.slots[index as usize].is_established {
                continue;
            }
            match self.pace.traffic() {
                HoldTraffic::Silent => return,
                HoldTraffic::Request { .. } => self.write(driver, catalog, (index, usize::MAX), recorder),
                HoldTraffic::SlowSend { .. } => self.write(driver, catalog, (index, 1), recorder),
                HoldTraffic::SlowRead { bytes, .. } => {
                    self.read_slowly(driver, catalog, (index, bytes as usize), recorder);
                }
            }
        }
    }

    fn write<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        (index, most): (u32, usize),
        recorder: &mut Recorder,
    ) {
        let slot = &mut self.slots[index as usize];
        let is_new = slot.written == 0;
        if is_new {
            slot.request = catalog.pick(self.begun);
        }
        let request = &catalog.request(slot.request).bytes;
        let rest = &request[slot.written as usize..];
        match driver.send(slot.socket, &rest[..rest.len().min(most)]) {
            Ok(written) => {
                self.begun += u64::from(is_new);
                let total = slot.written as usize + written;
                if total == request.len() {
                    recorder.held_request(slot.awaited.asked());
                }
                slot.written = (total % request.len()) as u32;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.broke(driver, index, recorder, &error),
        }
    }

    /// Asks once, then reads a little of the answer; asks again where nothing is left of it.
    fn read_slowly<D: Driver>(
        &mut self,
        driver: &mut D,
        catalog: &Catalog,
        (index, bytes): (u32, usize),
        recorder: &mut Recorder,
    ) {
        let mut scratch = [0; SCRATCH_BYTES];
        let slot = self.slots[index as usize];
        match driver.receive(slot.socket, &mut scratch[..bytes.clamp(1, SCRATCH_BYTES)]) {
            Ok(received) if received.len > 0 => self.look(index, &scratch[..received.len], recorder),
            Ok(_) => self.ended_by_peer(driver, index, recorder),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !slot.awaited.is_open() {
                    self.write(driver, catalog, (index, usize::MAX), recorder);
                }
            }
            Err(error) => self.broke(driver, index, recorder, &error),
        }
    }

    /// Nothing is opened for a while after a failure, of these connections alone.
    fn rest(&mut self, now_ns: u64) {
        // What fails while they rest began before, and says nothing new.
        if now_ns < self.rests_until_ns {
            return;
        }
        self.rests_until_ns = now_ns + rest_ns(self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    /// Gives up attempts that began before `before_ns`. That takes no rest: the timeout was one.
    pub(crate) fn expire<D: Driver>(&mut self, driver: &mut D, before_ns: u64, recorder: &mut Recorder) {
        self.turn.begin(driver.now_ns());
        while !self.turn.is_over()
            && let Some(attempt) = self.attempts.front().filter(|attempt| attempt.started_ns < before_ns)
        {
            self.expire_attempt(driver, attempt.index, recorder);
            self.turn.look(driver.now_ns());
        }
    }

    /// One whose end was not seen yet is no timeout.
    fn expire_attempt<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let Slot { socket, generation, .. } = self.slots[index as usize];
        let event = driver.look(socket);
        if event.writable || event.closed {
            return self.on_event(driver, Token::held(index, generation), &event, recorder);
        }
        self.attempts.pop_front();
        recorder.given_up(Failure::of_expired_connect(driver, socket), driver.retransmissions(socket));
        self.close(driver, index, recorder);
    }

    fn close<D: Driver>(&mut self, driver: &mut D, index: u32, recorder: &mut Recorder) {
        let slot = &mut self.slots[index as usize];
        if slot.awaited.give_up() {
            recorder.held_unanswered();
        }
        driver.close(slot.socket, true);
        self.established -= u32::from(slot.is_established);
        self.fewest = self.fewest.min(self.established);
        (slot.socket, slot.is_established, slot.is_unread) = (CLOSED, false, false);
        self.closed.push(index);
    }

    /// The load is over: what was sent again for attempts under way is counted.
    pub(crate) fn finish<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        for attempt in self.attempts.drain(..) {
            recorder.sent_again(driver.retransmissions(self.slots[attempt.index as usize].socket));
        }
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
