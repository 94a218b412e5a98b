//! What an event carries: which connection, and which of the sockets that it has had.

const HELD_BIT: u64 = 1 << 63;
const GENERATION_MASK: u32 = (1 << 30) - 1;

/// The number of the pipe from the parent.
pub(crate) const CONTROL: u64 = u64::MAX;

/// An index into one of the two tables beside a generation: an event that was fetched before its socket was closed
/// carries an old generation and is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    pub(crate) fn active(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    pub(crate) fn held(index: u32, generation: u32) -> Self {
        Self(HELD_BIT | Self::active(index, generation).0)
    }

    pub(crate) fn is_held(self) -> bool {
        self.0 & HELD_BIT != 0
    }

    pub(crate) fn index(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32 & GENERATION_MASK
    }

    pub(crate) fn next_generation(generation: u32) -> u32 {
        (generation + 1) & GENERATION_MASK
    }
}

impl From<u64> for Token {
    fn from(raw: u64) -> Self {
        Self(raw)
    }
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        token.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_role_index_and_generation() {
        let token = Token::held(7, GENERATION_MASK);
        assert!(token.is_held() && u64::from(token) != CONTROL);
        assert_eq!((token.index(), token.generation()), (7, GENERATION_MASK));
        assert!(!Token::active(u32::MAX, 0).is_held());
        assert_eq!(Token::next_generation(GENERATION_MASK), 0);
    }
}
