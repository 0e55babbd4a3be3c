//! A queue that is shared by owner first: the owner whose turn it is gives one item, and goes to the end.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Waiting items, each with an owner. An owner's own items keep their order.
#[derive(Debug)]
pub struct Turns<K, T> {
    /// The owners in the order of their turns. Each owner that has items is in it once.
    order: VecDeque<K>,
    waiting: HashMap<K, VecDeque<T>>,
    /// The items of an owner without any.
    none: VecDeque<T>,
    len: usize,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            waiting: HashMap::new(),
            none: VecDeque::new(),
            len: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, T> Turns<K, T> {
    /// The number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// An owner's items, in their order.
    pub fn of<Q>(&self, owner: &Q) -> &VecDeque<T>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.waiting.get(owner).unwrap_or(&self.none)
    }

    /// Adds an item behind its owner's others.
    pub fn push(&mut self, owner: &K, item: T) {
        self.len += 1;
        if let Some(items) = self.waiting.get_mut(owner) {
            items.push_back(item);
            return;
        }
        self.order.push_back(owner.clone());
        self.waiting.insert(owner.clone(), VecDeque::from([item]));
    }

    /// Removes the item whose turn it is.
    pub fn pop(&mut self) -> Option<T> {
        self.pop_fitting(|_| true)
    }

    /// Removes the item whose turn it is among the owners whose first item fits.
    pub fn pop_fitting(&mut self, mut fits: impl FnMut(&T) -> bool) -> Option<T> {
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

    /// Removes an owner's first item that is meant, out of turn.
    pub fn take<Q>(&mut self, owner: &Q, is_meant: impl FnMut(&T) -> bool) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let items = self.waiting.get_mut(owner)?;
        let item = items
            .iter()
            .position(is_meant)
            .and_then(|at| items.remove(at))?;
        self.len -= 1;
        if items.is_empty() {
            self.waiting.remove(owner);
            self.order.retain(|other| other.borrow() != owner);
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(items: &[(&'static str, u32)]) -> Turns<&'static str, u32> {
        let mut turns = Turns::default();
        for (owner, item) in items {
            turns.push(owner, *item);
        }
        turns
    }

    fn all(mut turns: Turns<&str, u32>) -> Vec<u32> {
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
        assert_eq!((turns.len(), turns.of("a").len()), (6, 3));
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
        assert_eq!((turns.len(), turns.of("b").len()), (1, 0));
        assert_eq!(all(turns), [1]);
    }
}
