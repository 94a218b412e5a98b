//! What the driver itself does between a connection's events and its user: handshakes, and ciphertext that is sent on.

use std::io;

use crate::driver::{Connected, Driver, Ended, Event, Handshake};
use crate::tls::session::Session;

use super::{Entry, Stage, TlsDriver, Wire};

/// Handshakes take at most about this long of one wait: its user has requests to send meanwhile.
const HANDSHAKES_NS: u64 = 1_000_000;

impl<D: Driver> TlsDriver<D> {
    pub(super) fn attend_all(&mut self, events: &mut Vec<Event>) {
        events.splice(0..0, self.late.drain(..));
        let ends_ns = self.now_ns() + HANDSHAKES_NS;
        events.retain_mut(|event| {
            let is_late = self.attended.contains_key(&event.token) && self.now_ns() >= ends_ns;
            if is_late {
                self.late.push(*event);
            }
            !is_late && self.attend(event)
        });
    }

    /// Deals with an event of a connection that is not simply established; returns whether to pass it on.
    pub(super) fn attend(&mut self, event: &mut Event) -> bool {
        let Some(&socket) = self.attended.get(&event.token) else { return true };
        let Some(mut entry) = self.entries[socket as usize].take() else { return true };
        let has_news = self.proceed(&mut entry, socket, event);
        if !entry.is_attended() {
            self.attended.remove(&entry.token);
        }
        self.entries[socket as usize] = Some(entry);
        has_news
    }

    fn proceed(&mut self, entry: &mut Entry, socket: i32, event: &mut Event) -> bool {
        if matches!(entry.stage, Stage::Connecting) {
            entry.stage = match self.begin(socket) {
                Ok(stage) => stage,
                Err(error) => Stage::Failed(Some(error)),
            };
        }
        let mut wire = Wire { driver: &mut self.inner, socket };
        match std::mem::replace(&mut entry.stage, Stage::Failed(None)) {
            Stage::Handshaking { mut session, since_ns, known } => {
                match session.advance(&mut self.scratch, &mut wire) {
                    Ok(false) => {
                        entry.stage = Stage::Handshaking { session, since_ns, known };
                        return false;
                    }
                    Ok(true) => {
                        let took_ns = self.inner.now_ns().saturating_sub(since_ns);
                        let (version, is_resumed) = (session.version(), session.is_resumed());
                        let known =
                            Connected { tls: Some(Handshake { took_ns, version, is_resumed }), ..known };
                        // What came with the last flight may be in the session, or still in the socket.
                        (event.writable, event.readable) = (true, true);
                        entry.stage = Stage::Open { session, known };
                    }
                    Err(failure) => {
                        event.closed = true;
                        entry.stage = Stage::Failed(Some(failure.into()));
                    }
                }
            }
            Stage::Open { mut session, known } => {
                if event.writable && session.flush(&mut wire).is_err() {
                    // Reading shows what has happened to the socket.
                    event.closed = true;
                }
                entry.stage = Stage::Open { session, known };
            }
            failed => {
                event.closed = true;
                entry.stage = failed;
            }
        }
        true
    }

    fn begin(&mut self, socket: i32) -> io::Result<Stage> {
        let known = self.inner.connected(socket, Ended::Somehow)?;
        let since_ns = self.inner.now_ns();
        Ok(Stage::Handshaking { session: Session::client(&self.tls)?, since_ns, known })
    }
}
