//! How long the loop stays with one thing before it looks at everything else that is due.
//!
//! A peer that sends faster than its bytes can be read would otherwise keep the loop for itself: requests would leave
//! late, and nothing would ever time out.

/// Reading, and sending, take at most about this long before the other has its turn: below what a request may be late.
const LONGEST_NS: u64 = 500_000;

/// The clock is looked at after so many bytes: small answers would pay for more looks.
const BYTES_BETWEEN_LOOKS: usize = 64 * 1024;

/// After so many full buffers in a row the other connections are read first.
pub(crate) const READS_AT_ONCE: u32 = 4;

/// What the loop does at one go.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    ends_ns: u64,
    unlooked_bytes: usize,
    is_over: bool,
}

impl Turn {
    #[inline]
    pub(crate) fn begin(&mut self, now_ns: u64) {
        *self = Self { ends_ns: now_ns + LONGEST_NS, unlooked_bytes: 0, is_over: false };
    }

    /// Whether what is left has to wait for the next turn.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    #[inline]
    pub(crate) fn look(&mut self, now_ns: u64) {
        self.is_over |= now_ns >= self.ends_ns;
    }

    /// So many bytes were read.
    #[inline]
    pub(crate) fn read(&mut self, bytes: usize, now_ns: impl FnOnce() -> u64) {
        self.unlooked_bytes += bytes;
        if self.unlooked_bytes >= BYTES_BETWEEN_LOOKS {
            self.unlooked_bytes = 0;
            self.look(now_ns());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_its_time_and_not_with_its_bytes() {
        let mut turn = Turn::default();
        turn.begin(1_000);
        (0..1_000).for_each(|_| turn.read(BYTES_BETWEEN_LOOKS, || 1_000 + LONGEST_NS - 1));
        assert!(!turn.is_over());
        turn.read(BYTES_BETWEEN_LOOKS, || 1_000 + LONGEST_NS);
        assert!(turn.is_over());
        turn.begin(2_000_000);
        assert!(!turn.is_over());
    }

    #[test]
    fn small_answers_do_not_look_at_the_clock_each() {
        let (mut turn, mut looks) = (Turn::default(), 0);
        turn.begin(0);
        for _ in 0..1_000 {
            turn.read(600, || {
                looks += 1;
                0
            });
        }
        assert_eq!(looks, 1_000 * 600 / BYTES_BETWEEN_LOOKS);
    }
}
