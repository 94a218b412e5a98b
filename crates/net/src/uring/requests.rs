//! What is asked of the kernel, and called off again.

use std::io;

use io_uring::{opcode, squeue, types};

use super::UringDriver;
use super::buffers::{GROUP, NONE};
use super::ring::Until;
use super::table::{End, GENERATION_MASK, Kind, Slot, Stage, label};

impl UringDriver {
    pub(super) fn poll_watched(&mut self, place: usize) -> io::Result<()> {
        let poll = opcode::PollAdd::new(types::Fd(self.watched[place].0), libc::POLLIN as u32).multi(true);
        self.push(&poll.build(), label(Kind::Watch, 0, place as u32))
    }

    #[inline]
    pub(super) fn push(&mut self, entry: &squeue::Entry, label: u64) -> io::Result<()> {
        // SAFETY: what a request points at is in `arrivals`, `sends` or `message`, which outlive the ring's work.
        unsafe { self.ring.push(&entry.clone().user_data(label)) }
    }

    pub(super) fn arm_connect(&mut self, fd: i32) -> io::Result<()> {
        let poll = opcode::PollAdd::new(types::Fd(fd), libc::POLLOUT as u32).build();
        self.push(&poll, label(Kind::Connect, self.slots[fd as usize].generation, fd as u32))
    }

    pub(super) fn arm_receive(&mut self, fd: i32) -> io::Result<()> {
        let receive = opcode::RecvMsgMulti::new(types::Fd(fd), &raw const *self.message, GROUP).build();
        self.slots[fd as usize].is_armed = true;
        self.push(&receive, label(Kind::Receive, self.slots[fd as usize].generation, fd as u32))
    }

    pub(super) fn arm_poll(&mut self, fd: i32) -> io::Result<()> {
        let interest = libc::POLLIN | libc::POLLRDHUP;
        let poll = opcode::PollAdd::new(types::Fd(fd), interest as u32).multi(true).build();
        let slot = &mut self.slots[fd as usize];
        (slot.stage, slot.is_armed) = (Stage::Polling, true);
        self.must_look = true;
        self.push(&poll, label(Kind::Poll, self.slots[fd as usize].generation, fd as u32))
    }

    fn call_off(&mut self, target: u64) -> io::Result<()> {
        let cancel = opcode::AsyncCancel2::new(types::CancelBuilder::user_data(target)).build();
        self.push(&cancel.flags(squeue::Flags::SKIP_SUCCESS), label(Kind::Cancel, 0, 0))
    }

    pub(super) fn push_send(&mut self, number: u32) -> io::Result<()> {
        let sending = self.sends.get_mut(number);
        let (fd, generation, rest) = (sending.socket, sending.generation, sending.rest());
        // The kernel goes on by itself where the socket does not take all at once.
        let send = opcode::Send::new(types::Fd(fd), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(&send, label(Kind::Send, generation, number))
    }

    /// What has to be put right before the next look.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        for fd in std::mem::take(&mut self.fresh) {
            let slot = &mut self.slots[fd as usize];
            if std::mem::take(&mut slot.is_fresh) && slot.arrived.0 != NONE {
                self.stop_receiving(fd)?;
            }
        }
        if !self.starved.is_empty() && self.arrivals.has_free() {
            for (fd, generation) in std::mem::take(&mut self.starved) {
                let is_waiting = self
                    .current(fd as u32, generation)
                    .is_some_and(|slot| slot.stage == Stage::Receiving && !slot.is_armed);
                if is_waiting {
                    self.must_look = true;
                    self.arm_receive(fd)?;
                }
            }
        }
        // What was just called off is over by now, unless a completion of it was under way at that moment.
        if self.batch.is_empty() {
            for index in 0..self.dying.len() {
                self.call_off(self.dying[index])?;
            }
        }
        Ok(())
    }

    /// The owner does not read what arrives, as a slow reader on purpose. The kernel is to keep it, and slow the peer.
    fn stop_receiving(&mut self, fd: i32) -> io::Result<()> {
        let slot = &mut self.slots[fd as usize];
        let (is_armed, end, target) =
            (slot.is_armed, slot.end, label(Kind::Receive, slot.generation, fd as u32));
        slot.stage = Stage::Switching;
        self.spill(fd);
        if is_armed {
            self.call_off(target)
        } else if end == End::None {
            self.arm_poll(fd)
        } else {
            self.slots[fd as usize].stage = Stage::Polling;
            Ok(())
        }
    }

    /// Calls off what the kernel does for a connection, so that closing its descriptor ends it: each request holds the
    /// socket open by itself.
    pub(super) fn let_go(&mut self, fd: i32) -> io::Result<()> {
        let slot = &mut self.slots[fd as usize];
        let (stage, generation) = (slot.stage, slot.generation);
        let is_idle = !slot.is_armed && !slot.is_sending && stage != Stage::Connecting;
        let mut arrived = std::mem::replace(&mut slot.arrived, (NONE, NONE));
        if slot.is_armed {
            let kind = if stage == Stage::Polling { Kind::Poll } else { Kind::Receive };
            self.dying.push(label(kind, generation, fd as u32));
        }
        *slot = Slot { generation: (generation + 1) & GENERATION_MASK, ..Slot::BLANK };
        self.arrivals.discard(&mut arrived);
        self.spilled.remove(&fd);
        if is_idle {
            return Ok(());
        }
        let cancel = opcode::AsyncCancel2::new(types::CancelBuilder::fd(types::Fd(fd)).all()).build();
        let cancel = cancel.flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&cancel, label(Kind::Cancel, 0, 0))?;
        self.queued_sends = 0;
        self.ring.turn(Until::Now)?;
        // Closing many must not fill the queue; the next look takes these first.
        self.ring.take(&mut self.batch);
        Ok(())
    }
}
