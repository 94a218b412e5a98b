//! Addresses that stand still while the others serve: each as if it were a process of its own that was stopped.
//!
//! The kernel goes on for them, as it does for a process: it takes connections and bytes until its queues are full.

use seatrial_net::Event;

use crate::server::Server;

impl Server {
    /// The addresses of these numbers stand still from now on: nothing is accepted, read, answered or closed at them.
    /// Every other goes on with what has come meanwhile.
    pub(crate) fn pause(&mut self, endpoints: &[usize]) {
        let mut paused = vec![false; self.paused.len()];
        for &endpoint in endpoints {
            if let Some(is_paused) = paused.get_mut(endpoint) {
                *is_paused = true;
            }
        }
        let before = std::mem::replace(&mut self.paused, paused);
        // What is of an address that still stands is put off again.
        self.held_back.extend(std::mem::take(&mut self.put_off));
        for (listener, was_paused) in before.into_iter().enumerate() {
            if was_paused && !self.paused[listener] {
                self.go_on(listener);
            }
        }
    }

    /// Events are reported once, and those of the pause were not taken: looks at all that there is.
    fn go_on(&mut self, listener: usize) {
        self.accept(listener);
        for index in 0..self.connections.len() as u32 {
            let connection = &self.connections[index as usize];
            if connection.listener as usize == listener && !connection.stream.is_closed() {
                let token = connection.token(index);
                self.on_event(&Event { token, readable: true, writable: true, closed: false });
            }
        }
    }
}
