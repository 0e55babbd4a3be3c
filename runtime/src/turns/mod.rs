//! What waits, shared by owner first: whoever has the turn gives one item and goes to the end.

pub(crate) mod queue;
pub(crate) mod shares;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Items that wait, each for an owner. An owner's own items keep their order.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    /// Whose turn is next. Each owner that has items is in it once.
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<T>>,
    len: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
            len: 0,
        }
    }
}

impl<T> Turns<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn len_of(&self, owner: &str) -> usize {
        self.waiting.get(owner).map_or(0, VecDeque::len)
    }

    pub(crate) fn push(&mut self, owner: &Arc<str>, item: T) {
        self.len += 1;
        if let Some(items) = self.waiting.get_mut(owner) {
            items.push_back(item);
            return;
        }
        self.order.push_back(Arc::clone(owner));
        self.waiting
            .insert(Arc::clone(owner), VecDeque::from([item]));
    }

    /// The item whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.pop_fitting(|_| true)
    }

    /// The item whose turn it is among the owners whose first item fits.
    pub(crate) fn pop_fitting(&mut self, mut fits: impl FnMut(&T) -> bool) -> Option<T> {
        let turn = self.order.iter().position(|owner| {
            let first = self.waiting.get(owner).and_then(VecDeque::front);
            first.is_some_and(&mut fits)
        })?;
        let owner = self.order.remove(turn)?;
        let items = self.waiting.get_mut(&owner)?;
        let item = items.pop_front()?;
        self.len -= 1;
        if items.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.order.push_back(owner);
        }
        Some(item)
    }

    /// Takes an item out of turn.
    pub(crate) fn take(&mut self, owner: &str, is_meant: impl FnMut(&T) -> bool) -> Option<T> {
        let items = self.waiting.get_mut(owner)?;
        let item = items
            .iter()
            .position(is_meant)
            .and_then(|at| items.remove(at))?;
        self.len -= 1;
        if items.is_empty() {
            self.waiting.remove(owner);
            self.order.retain(|it| **it != *owner);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(items: &[(&str, u32)]) -> Turns<u32> {
        let mut turns = Turns::default();
        for (owner, item) in items {
            turns.push(&Arc::from(*owner), *item);
        }
        turns
    }

    fn all(mut turns: Turns<u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn an_owner_of_many_items_gives_one_a_turn_in_their_order() {
        let turns = turns(&[
            ("a", 1),
            ("a", 2),
            ("a", 3),
            ("b", 10),
            ("c", 20),
            ("b", 11),
        ]);
        assert_eq!((turns.len(), turns.len_of("a")), (6, 3));
        assert_eq!(all(turns), [1, 10, 20, 2, 11, 3]);
    }

    #[test]
    fn what_does_not_fit_is_passed_over_and_keeps_its_turn() {
        let mut turns = turns(&[("a", 9), ("b", 1), ("c", 2)]);
        assert_eq!(turns.pop_fitting(|item| *item < 5), Some(1));
        assert_eq!(turns.pop_fitting(|item| *item > 9), None);
        assert_eq!(all(turns), [9, 2]);
    }

    #[test]
    fn an_item_is_taken_out_of_turn_and_leaves_no_empty_turn() {
        let mut turns = turns(&[("a", 1), ("b", 10), ("a", 2)]);
        assert_eq!(turns.take("a", |item| *item == 2), Some(2));
        assert_eq!(turns.take("a", |item| *item == 2), None);
        assert_eq!(turns.take("b", |_| true), Some(10));
        assert_eq!((turns.len(), turns.len_of("b")), (1, 0));
        assert_eq!(all(turns), [1]);
    }
}
