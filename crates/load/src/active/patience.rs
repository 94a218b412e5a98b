//! What may wait: whether answers may lie in the kernel's buffers for a while, and which connections have to.

use seatrial_net::Driver;

use super::Active;
use crate::recorder::Recorder;

impl Active {
    /// Whether the loop may sleep through answers: nobody waits for it to read or to write.
    ///
    /// It may where every answer under way fits into a receive buffer, as far as is known, and none has come in part.
    /// A request that was not written whole has to be written on as soon as the socket takes more.
    #[inline]
    pub(crate) fn may_wait(&self) -> bool {
        self.pressing == 0
    }

    /// Whether connections have more to read, which no event will report.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// A new turn begins, of sending or of reading.
    pub(crate) fn begin_turn(&mut self, now_ns: u64) {
        self.turn.begin(now_ns);
    }

    /// Whether sending has taken so long that reading has its turn.
    #[inline]
    pub(crate) fn has_sent_enough(&self) -> bool {
        self.turn.is_over()
    }

    /// From now on, until its request ends, the loop looks as soon as something happens.
    #[inline]
    pub(super) fn press(&mut self, index: u32) {
        let is_pressing = &mut self.connections[index as usize].is_pressing;
        self.pressing += u32::from(!std::mem::replace(is_pressing, true));
    }

    /// A request has ended, with a whole answer or without.
    #[inline]
    pub(super) fn leave_busy(&mut self, index: u32, is_complete: bool) {
        self.busy.remove(&mut self.connections, index);
        let connection = &mut self.connections[index as usize];
        self.pressing -= u32::from(std::mem::take(&mut connection.is_pressing));
        self.experience.learn(connection.request, connection.received, is_complete);
    }

    /// Others are read first.
    pub(super) fn put_off(&mut self, index: u32, has_closed: bool) {
        let connection = &mut self.connections[index as usize];
        connection.has_closed = has_closed || connection.is_unread && connection.has_closed;
        if !std::mem::replace(&mut connection.is_unread, true) {
            self.unread.push_back(index);
        }
    }

    /// Goes on with those that had to wait, as long as the turn lasts.
    pub(crate) fn read_on<D: Driver>(&mut self, driver: &mut D, recorder: &mut Recorder) {
        while !self.turn.is_over()
            && let Some(index) = self.unread.pop_front()
        {
            let connection = &mut self.connections[index as usize];
            // It may have been closed since, and even be in the list once more.
            if std::mem::take(&mut connection.is_unread) {
                let has_closed = connection.has_closed;
                self.read(driver, recorder, index, has_closed);
            }
        }
    }
}
