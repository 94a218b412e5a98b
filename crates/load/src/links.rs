//! Doubly linked lists through a table: a connection is in at most one of them, and moving it allocates nothing.

/// No connection.
const NONE: u32 = u32::MAX;

/// A connection's neighbours in the list that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    before: u32,
    after: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NONE, after: NONE }
    }
}

/// Something that has a link.
pub(crate) trait Linked {
    fn link(&mut self) -> &mut Link;
}

/// A first-in, first-out list of table indices.
#[derive(Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, len: 0 }
    }
}

impl List {
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    #[inline]
    pub(crate) fn push<T: Linked>(&mut self, table: &mut [T], index: u32) {
        *table[index as usize].link() = Link { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = index,
            last => table[last as usize].link().after = index,
        }
        self.last = index;
        self.len += 1;
    }

    /// Puts an index at the head, so that it is the next to be taken.
    #[inline]
    pub(crate) fn push_first<T: Linked>(&mut self, table: &mut [T], index: u32) {
        *table[index as usize].link() = Link { before: NONE, after: self.first };
        match self.first {
            NONE => self.last = index,
            first => table[first as usize].link().before = index,
        }
        self.first = index;
        self.len += 1;
    }

    #[inline]
    pub(crate) fn remove<T: Linked>(&mut self, table: &mut [T], index: u32) {
        let Link { before, after } = *table[index as usize].link();
        match before {
            NONE => self.first = after,
            before => table[before as usize].link().after = after,
        }
        match after {
            NONE => self.last = before,
            after => table[after as usize].link().before = before,
        }
        self.len -= 1;
    }

    #[inline]
    pub(crate) fn pop<T: Linked>(&mut self, table: &mut [T]) -> Option<u32> {
        let index = self.first()?;
        self.remove(table, index);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Linked for Link {
        fn link(&mut self) -> &mut Link {
            self
        }
    }

    #[test]
    fn keeps_order_through_removals() {
        let mut table = vec![Link::default(); 5];
        let mut list = List::default();
        (0..5).for_each(|index| list.push(&mut table, index));
        for index in [2, 0, 4] {
            list.remove(&mut table, index);
        }
        list.push(&mut table, 0);
        list.push_first(&mut table, 4);
        let order: Vec<u32> = std::iter::from_fn(|| list.pop(&mut table)).collect();
        assert_eq!(order, [4, 1, 3, 0]);
        assert!(list.is_empty());
    }
}
