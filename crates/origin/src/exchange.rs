//! One exchange after another on a connection: the request in, the answer or its fault out.

use std::cmp::Reverse;
use std::io;

use seatrial_net::clock::now_ns;
use seatrial_net::tls::TlsFailure;
use seatrial_wire::RequestHead;

use crate::connection::{PIECES, Pending};
use crate::server::Server;
use crate::spec::Fault;

const NS_PER_US: f64 = 1e3;

impl Server {
    /// Reads until nothing is left or an answer is held back.
    pub(super) fn read(&mut self, index: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let received = self.connections[index as usize].stream.receive(&mut self.scratch, &mut buffer);
            match received {
                Ok(0) => self.close(index),
                Ok(len) => {
                    let may_have_more =
                        len == buffer.len() || self.connections[index as usize].stream.owes_a_read();
                    if self.take(index, &buffer[..len]) && may_have_more {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.connections[index as usize].stream.owes_a_read() {
                        continue;
                    }
                }
                Err(error) => {
                    if TlsFailure::of(&error).is_some() {
                        *self.errors.entry("tls").or_default() += 1;
                    }
                    self.close(index);
                }
            }
            break;
        }
        self.buffer = buffer;
    }

    /// Takes input; returns whether the connection is ready for more.
    fn take(&mut self, index: u32, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let connection = &mut self.connections[index as usize];
            let mut on_head = |head: &RequestHead<'_>| {
                if head.expects_continue {
                    // Twenty-five bytes always fit into an idle socket's buffer.
                    let _ = connection.stream.send(&mut self.scratch, b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                self.requests += 1;
                connection.requests += 1;
                self.at_endpoints[connection.listener as usize] += 1;
                let (answer, is_head) = (self.answers.count(head), head.method == "HEAD");
                let has_body = !is_head && self.answers.answer(answer).body_bytes > 0;
                let mut asked = Pending {
                    answer,
                    written: 0,
                    pieces: 0,
                    keep_alive: head.keep_alive,
                    is_head,
                    is_due: false,
                    fault: self.faults.draw(has_body),
                };
                if asked.goes_on() && self.faults.closes_after(connection.requests) {
                    asked.keep_alive = false;
                    self.faults.count("close");
                }
                if head.asks_endpoint && asked.fault.is_none() {
                    // Not the listener's: what listens everywhere has no address that tells it from others.
                    let address = connection.stream.address();
                    connection.made = address.map(|at| self.answers.naming(&asked, at));
                }
                connection.asked = Some(asked);
            };
            let Ok((consumed, is_complete)) = connection.parser.receive(bytes, &mut on_head) else {
                *self.errors.entry("protocol").or_default() += 1;
                self.close(index);
                return false;
            };
            bytes = &bytes[consumed..];
            if is_complete {
                connection.pending = connection.asked.take();
            }
            if is_complete && !self.answer(index) {
                let connection = &mut self.connections[index as usize];
                connection.unread.extend_from_slice(bytes);
                return false;
            }
        }
        !self.connections[index as usize].stream.is_closed()
    }

    /// Answers now or holds back; returns whether the answer is out and the connection open.
    fn answer(&mut self, index: u32) -> bool {
        let connection = &self.connections[index as usize];
        let Some(pending) = &connection.pending else { return true };
        let delay = self.answers.answer(pending.answer).delay;
        if !self.pace.is_at_once(delay) || self.faults.has_stalls() {
            let now_ns = now_ns();
            let due_ns = self.faults.after_stalls_ns(self.pace.answer_at_ns(delay, now_ns), now_ns);
            if due_ns > now_ns {
                self.held_back.push(Reverse((due_ns, index, connection.generation)));
                return false;
            }
        }
        self.begin(index)
    }

    /// The answer may leave, or what was drawn in its place; returns as [`Self::write`] does.
    pub(super) fn begin(&mut self, index: u32) -> bool {
        let connection = &mut self.connections[index as usize];
        let Some(pending) = &mut connection.pending else { return true };
        pending.is_due = true;
        if let Some(fault) = pending.fault {
            self.faults.count(fault.name());
            match fault {
                Fault::Reset => {
                    connection.stream.abort();
                    self.forget(index);
                    return false;
                }
                Fault::Slow { over_us } => self.schedule_piece(index, now_ns(), over_us),
                _ => {}
            }
        }
        self.write(index)
    }

    /// One more piece of a slow body may leave.
    pub(super) fn next_piece(&mut self, index: u32, due_ns: u64) -> bool {
        if let Some(pending) = &mut self.connections[index as usize].pending
            && let Some(Fault::Slow { over_us }) = pending.fault
        {
            pending.pieces += 1;
            if pending.pieces < PIECES {
                self.schedule_piece(index, due_ns, over_us);
            }
        }
        self.write(index)
    }

    fn schedule_piece(&mut self, index: u32, after_ns: u64, over_us: f64) {
        let step_ns = (over_us * NS_PER_US / f64::from(PIECES)) as u64;
        let generation = self.connections[index as usize].generation;
        self.held_back.push(Reverse((after_ns + step_ns, index, generation)));
    }

    /// Writes what the kernel takes; returns whether the answer is out and the connection open.
    pub(super) fn write(&mut self, index: u32) -> bool {
        let connection = &mut self.connections[index as usize];
        let Some(pending) = &mut connection.pending else { return true };
        let answer = self.answers.answer(pending.answer);
        let bytes = connection.made.as_deref().unwrap_or_else(|| answer.bytes(pending));
        let allowed = pending.allowed(bytes.len(), answer.body_bytes);
        match connection.stream.send(&mut self.scratch, &bytes[pending.written..allowed]) {
            Ok(written) => pending.written += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => {
                self.close(index);
                return false;
            }
        }
        if pending.written < bytes.len() || connection.stream.has_unsent() {
            return false;
        }
        let goes_on = pending.goes_on();
        (connection.pending, connection.made) = (None, None);
        if !goes_on {
            self.close(index);
        }
        goes_on
    }

    /// An answer that was held back is out: goes on with what came meanwhile.
    pub(super) fn resume(&mut self, index: u32) {
        let unread = std::mem::take(&mut self.connections[index as usize].unread);
        if self.take(index, &unread) {
            self.read(index);
        }
    }

    pub(super) fn close(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        if !connection.stream.is_closed() {
            connection.stream.close(&mut self.scratch);
            self.forget(index);
        }
    }

    /// The stream is closed: its slot may be another's.
    fn forget(&mut self, index: u32) {
        let connection = &mut self.connections[index as usize];
        (connection.asked, connection.pending, connection.made) = (None, None, None);
        connection.unread = Vec::new();
        self.vacant.push(index);
    }
}
