//! How many connections were there at every moment: a look at the end of each interval misses what came back before it.

use super::Active;

/// Of the connections of one worker.
pub(crate) struct Presence {
    wanted: u32,
    missing: u32,
    /// The most that were missing at any moment since the last frame, and the time of all that were, added up.
    most: u32,
    missing_ns: u64,
    since_ns: u64,
}

impl Presence {
    /// All are still to come.
    pub(crate) fn new(wanted: u32) -> Self {
        Self { wanted, missing: wanted, most: wanted, missing_ns: 0, since_ns: 0 }
    }

    fn change(&mut self, by: i32, now_ns: u64) {
        self.add_up(now_ns);
        self.missing = self.missing.saturating_add_signed(by);
        self.most = self.most.max(self.missing);
    }

    fn add_up(&mut self, now_ns: u64) {
        self.missing_ns += u64::from(self.missing) * now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
    }

    /// The fewest that were there since the last call, and for how long connections were missing, added up.
    fn take(&mut self, now_ns: u64) -> (u32, u64) {
        self.add_up(now_ns);
        let most = std::mem::replace(&mut self.most, self.missing);
        (self.wanted - most, std::mem::take(&mut self.missing_ns))
    }
}

impl Active {
    /// Connections that are established, or being renewed after a life that ended as planned.
    pub(crate) fn present(&self) -> u32 {
        self.presence.wanted - self.presence.missing
    }

    /// The fewest that were present since the last call, and for how long connections were missing, added up.
    pub(crate) fn take_presence(&mut self, now_ns: u64) -> (u32, u64) {
        self.presence.take(now_ns)
    }

    pub(super) fn found(&mut self, index: u32, now_ns: u64) {
        if std::mem::take(&mut self.connections[index as usize].is_missing) {
            self.presence.change(-1, now_ns);
        }
    }

    pub(super) fn missed(&mut self, index: u32, now_ns: u64) {
        if !std::mem::replace(&mut self.connections[index as usize].is_missing, true) {
            self.presence.change(1, now_ns);
        }
    }
}
