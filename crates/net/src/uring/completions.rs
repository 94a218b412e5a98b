//! What has become of the requests, and what is reported to its owner of each connection.

use std::io;

use io_uring::cqueue;

use super::table::{End, Kind, Stage, label, unlabel};
use super::{HEAD_BYTES, UringDriver};
use crate::driver::Event;
use crate::socket;

impl UringDriver {
    /// Takes what has completed.
    pub(super) fn reap(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.ring.take(&mut batch);
        if self.stamp_arrivals {
            self.stamps_unusable = self.realtime.refresh();
        }
        for entry in batch.drain(..) {
            self.on_completion(&entry, events)?;
        }
        self.batch = batch;
        Ok(())
    }

    #[inline]
    fn on_completion(&mut self, entry: &cqueue::Entry, events: &mut Vec<Event>) -> io::Result<()> {
        let Some((kind, generation, number)) = unlabel(entry.user_data()) else { return Ok(()) };
        let (result, goes_on) = (entry.result(), cqueue::more(entry.flags()));
        match kind {
            Kind::Receive => self.on_received(entry, (number, generation), events),
            Kind::Send => self.on_sent(number, result, events),
            Kind::Connect => {
                self.on_connected((number, generation), result, events);
                Ok(())
            }
            Kind::Poll => self.on_polled((number, generation), result, goes_on, events),
            Kind::Watch => {
                let is_over = result < 0 || result & i32::from(libc::POLLHUP | libc::POLLERR) != 0;
                let token = self.watched[number as usize].1;
                events.push(Event { token, readable: true, writable: false, closed: is_over });
                if goes_on || is_over { Ok(()) } else { self.poll_watched(number as usize) }
            }
            Kind::Cancel => Ok(()),
        }
    }

    #[inline]
    fn on_received(
        &mut self,
        entry: &cqueue::Entry,
        (fd, generation): (u32, u32),
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let (result, goes_on) = (entry.result(), cqueue::more(entry.flags()));
        let buffer = cqueue::buffer_select(entry.flags());
        if buffer.is_some() {
            self.arrivals.lend();
        }
        if self.current(fd, generation).is_none() {
            if let Some(id) = buffer {
                self.arrivals.give_back(id);
            }
            self.forget_if_over(entry.user_data(), goes_on);
            return Ok(());
        }
        let mut is_starved = false;
        match (result, buffer) {
            (0.., Some(id)) => self.on_bytes(fd, id, result as usize, events),
            (0.., None) => self.end_stream(fd, End::Orderly, events),
            _ if -result == libc::ENOBUFS => is_starved = true,
            _ if matches!(-result, libc::ECANCELED | libc::EAGAIN | libc::EINTR) => {}
            _ => self.end_stream(fd, End::Broken(-result), events),
        }
        if goes_on {
            return Ok(());
        }
        let slot = &mut self.slots[fd as usize];
        slot.is_armed = false;
        match (slot.stage, slot.end) {
            (Stage::Switching, End::None) => self.arm_poll(fd as i32),
            (Stage::Switching, end) => {
                slot.stage = Stage::Polling;
                if let End::Broken(_) = end {
                    let event = self.event(fd, events);
                    (event.readable, event.closed) = (true, true);
                }
                Ok(())
            }
            (Stage::Receiving, End::None) if is_starved => {
                self.starved.push((fd as i32, generation));
                Ok(())
            }
            (Stage::Receiving, End::None) => {
                self.must_look = true;
                self.arm_receive(fd as i32)
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn on_bytes(&mut self, fd: u32, id: u16, len: usize, events: &mut Vec<Event>) {
        let start = HEAD_BYTES + self.message.msg_controllen;
        let filled = self.arrivals.filled(id, len);
        let word =
            |at: usize| filled.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes);
        let control_len = word(4).unwrap_or(0) as usize;
        if len <= start {
            self.arrivals.give_back(id);
            return self.end_stream(fd, End::Orderly, events);
        }
        let stamp =
            if self.stamp_arrivals { stamp_in(&filled[HEAD_BYTES..start], control_len) } else { None };
        let at_ns = self.monotonic(stamp);
        let slot = &mut self.slots[fd as usize];
        self.arrivals.append(&mut slot.arrived, id, (start, len), at_ns);
        if slot.stage == Stage::Switching {
            self.spill(fd as i32);
        } else if !std::mem::replace(&mut slot.is_fresh, true) {
            self.fresh.push(fd as i32);
        }
        self.event(fd, events).readable = true;
    }

    fn end_stream(&mut self, fd: u32, end: End, events: &mut Vec<Event>) {
        let slot = &mut self.slots[fd as usize];
        if slot.end == End::None {
            slot.end = end;
        }
        let event = self.event(fd, events);
        (event.readable, event.closed) = (true, true);
    }

    /// The one event of this look for a connection.
    #[inline]
    fn event<'a>(&mut self, fd: u32, events: &'a mut Vec<Event>) -> &'a mut Event {
        let slot = &mut self.slots[fd as usize];
        let is_reported = events.get(slot.reported as usize).is_some_and(|event| event.token == slot.token);
        if !is_reported {
            slot.reported = events.len() as u32;
            events.push(Event { token: slot.token, ..Event::default() });
        }
        &mut events[slot.reported as usize]
    }

    #[inline]
    fn on_sent(&mut self, number: u32, result: i32, events: &mut Vec<Event>) -> io::Result<()> {
        let sending = self.sends.get_mut(number);
        let (fd, generation) = (sending.socket as u32, sending.generation);
        let is_all = result >= 0 && sending.advance(result as usize);
        if self.current(fd, generation).is_none() {
            self.sends.release(number);
            return Ok(());
        }
        let slot = &mut self.slots[fd as usize];
        slot.unsent -= result.max(0) as u32;
        if result > 0 && !is_all {
            return self.push_send(number);
        }
        self.sends.release(number);
        let slot = &mut self.slots[fd as usize];
        slot.is_sending = false;
        let was_blocked = std::mem::take(&mut slot.is_blocked);
        if !is_all {
            // To whoever reads it is a reset: that the pipe is broken is what a sender would have heard.
            let code = if -result == libc::EPIPE { libc::ECONNRESET } else { -result };
            self.end_stream(fd, End::Broken(code), events);
        } else if was_blocked {
            self.event(fd, events).writable = true;
        }
        Ok(())
    }

    /// What the socket has taken of a send whose completion lies in the batch: the send was called off in the midst.
    pub(super) fn sent_lately(&self, fd: i32, generation: u32) -> usize {
        let is_its = |entry: &&cqueue::Entry| {
            unlabel(entry.user_data()).is_some_and(|(kind, of, number)| {
                kind == Kind::Send && of == generation && self.sends.get(number).socket == fd
            })
        };
        self.batch.iter().filter(is_its).map(|entry| entry.result().max(0) as usize).sum()
    }

    fn on_connected(&mut self, (fd, generation): (u32, u32), result: i32, events: &mut Vec<Event>) {
        if self.current(fd, generation).is_none() {
            return;
        }
        self.slots[fd as usize].stage = Stage::Receiving;
        let event = self.event(fd, events);
        event.writable = true;
        event.closed = result < 0 || result & i32::from(libc::POLLHUP | libc::POLLERR) != 0;
    }

    fn on_polled(
        &mut self,
        (fd, generation): (u32, u32),
        result: i32,
        goes_on: bool,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        if self.current(fd, generation).is_none() {
            self.forget_if_over(label(Kind::Poll, generation, fd), goes_on);
            return Ok(());
        }
        let is_over = result < 0 || result & i32::from(libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0;
        let event = self.event(fd, events);
        event.readable = true;
        event.closed |= is_over;
        if goes_on {
            return Ok(());
        }
        self.slots[fd as usize].is_armed = false;
        if is_over { Ok(()) } else { self.arm_poll(fd as i32) }
    }

    fn forget_if_over(&mut self, target: u64, goes_on: bool) {
        if !goes_on {
            self.dying.retain(|label| *label != target);
        }
    }
}

/// The stamp in the control data of a receive.
#[inline]
fn stamp_in(control: &[u8], len: usize) -> Option<u64> {
    // SAFETY: all zeroes is a valid msghdr, and this one describes `control`, which the kernel has filled.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = len.min(control.len()) as _;
        socket::stamp_of(&message)
    }
}
