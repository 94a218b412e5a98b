//! What the answers to each kind of request were like lately: whether they may lie in the kernel's buffer for a while.
//!
//! A loop that sleeps does not read. What fits into the receive buffer arrives all the same, and its stamp says when.
//! What does not fit closes the window: then the server waits for this program, and the sleep is measured.

/// A receive buffer takes this much whatever else is in it: half of the window that a connection begins with where
/// `tcp_rmem` is as Linux has it (128 KiB, of which half is for what the bytes are kept in).
const FITS_BYTES: u32 = 32 * 1024;

/// So many answers that fitted, one after another, are enough to expect that of the next.
const ENOUGH: u16 = 8;

/// After one that did not fit it takes so many: a server that sends one large answer in a thousand is not held back by
/// those, and one large page of errors makes a load dear for a second, not for an hour.
const ENOUGH_AFTER_A_LARGE_ONE: u16 = 10_000;

/// How many more answers have to fit, for each kind of request.
pub(crate) struct Experience {
    missing: Box<[u16]>,
}

impl Experience {
    /// Of nothing yet: what is not known to fit is not kept waiting.
    pub(crate) fn new(requests: usize) -> Self {
        Self { missing: vec![ENOUGH; requests].into() }
    }

    /// Whether the answer to such a request will lie in the receive buffer as a whole.
    #[inline]
    pub(crate) fn fits(&self, request: u32) -> bool {
        self.missing[request as usize] == 0
    }

    /// An answer of so many bytes has come, or so many bytes of one.
    #[inline]
    pub(crate) fn learn(&mut self, request: u32, bytes: u32, is_complete: bool) {
        let missing = &mut self.missing[request as usize];
        if bytes > FITS_BYTES {
            *missing = ENOUGH_AFTER_A_LARGE_ONE;
        } else if is_complete {
            *missing = missing.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[(u32, u16)]) -> bool {
        let mut experience = Experience::new(2);
        for &(bytes, times) in answers {
            (0..times).for_each(|_| experience.learn(1, bytes, true));
        }
        assert!(!experience.fits(0), "one kind says nothing of another");
        experience.fits(1)
    }

    #[test]
    fn only_what_has_fitted_before_is_expected_to_fit() {
        assert!(!after(&[]));
        assert!(!after(&[(100, ENOUGH - 1)]));
        assert!(after(&[(FITS_BYTES, ENOUGH)]));
    }

    #[test]
    fn one_large_answer_is_remembered_for_long() {
        let one_larger = FITS_BYTES + 1;
        assert!(!after(&[(100, ENOUGH), (one_larger, 1), (100, ENOUGH_AFTER_A_LARGE_ONE - 1)]));
        assert!(after(&[(100, ENOUGH), (one_larger, 1), (100, ENOUGH_AFTER_A_LARGE_ONE)]));
    }

    #[test]
    fn a_part_of_an_answer_only_says_that_it_was_large() {
        let mut experience = Experience::new(1);
        (0..ENOUGH).for_each(|_| experience.learn(0, 100, false));
        assert!(!experience.fits(0));
    }
}
