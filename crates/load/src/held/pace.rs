//! What idle connections do while they are held: nothing, or little and slowly.
//!
//! Actions are paced for all connections together: with n connections that each act every T, one of them acts every
//! T / n, in turn. So there is one timer, whatever their number, and no connection needs memory for its own.

use crate::spec::HoldTraffic;

/// When the next idle connection acts, and which.
#[derive(Debug)]
pub(super) struct Pace {
    traffic: HoldTraffic,
    connections: u32,
    next: u32,
    next_ns: u64,
}

impl Pace {
    pub(super) fn new(traffic: HoldTraffic, connections: u32, now_ns: u64) -> Self {
        Self { traffic, connections, next: 0, next_ns: now_ns }
    }

    pub(super) fn traffic(&self) -> HoldTraffic {
        self.traffic
    }

    /// When the next action is due; `None` for silent connections.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let acts = self.connections > 0 && self.traffic.every_ns().is_some();
        acts.then_some(self.next_ns)
    }

    /// Takes the next connection whose turn has come. A loop that was late gives every connection its turn, but does
    /// not make up for whole rounds that were missed.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u32> {
        let every_ns = self.traffic.every_ns().filter(|_| self.connections > 0)?;
        if now_ns < self.next_ns {
            return None;
        }
        let index = self.next;
        self.next = (self.next + 1) % self.connections;
        self.next_ns = self.next_ns.max(now_ns.saturating_sub(every_ns))
            + (every_ns / u64::from(self.connections)).max(1);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_acts_once_a_round() {
        let mut pace = Pace::new(HoldTraffic::Request { every_ns: 1_000_000 }, 4, 0);
        let mut turns = [0; 4];
        for now_ns in (0..4_000_000).step_by(10_000) {
            while let Some(index) = pace.take(now_ns) {
                turns[index as usize] += 1;
            }
        }
        assert_eq!(turns, [4; 4]);
    }

    #[test]
    fn silent_connections_never_act() {
        let mut pace = Pace::new(HoldTraffic::Silent, 4, 0);
        assert_eq!((pace.next_ns(), pace.take(u64::MAX)), (None, None));
    }
}
