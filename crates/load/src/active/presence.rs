//! How many connections were there at every moment: a look at the end of each interval misses what came back before it.

/// Of the connections of one worker.
pub(super) struct Presence {
    wanted: u32,
    missing: u32,
    /// The most that were missing at any moment since the last frame, and the time of all that were, added up.
    most: u32,
    missing_ns: u64,
    since_ns: u64,
}

impl Presence {
    /// All are still to come.
    pub(super) fn new(wanted: u32) -> Self {
        Self { wanted, missing: wanted, most: wanted, missing_ns: 0, since_ns: 0 }
    }

    /// How many are there.
    pub(super) fn now(&self) -> u32 {
        self.wanted - self.missing
    }

    pub(super) fn change(&mut self, by: i32, now_ns: u64) {
        self.add_up(now_ns);
        self.missing = self.missing.saturating_add_signed(by);
        self.most = self.most.max(self.missing);
    }

    fn add_up(&mut self, now_ns: u64) {
        self.missing_ns += u64::from(self.missing) * now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
    }

    /// The fewest that were there since the last call, and for how long connections were missing, added up.
    pub(super) fn take(&mut self, now_ns: u64) -> (u32, u64) {
        self.add_up(now_ns);
        let most = std::mem::replace(&mut self.most, self.missing);
        (self.wanted - most, std::mem::take(&mut self.missing_ns))
    }
}
