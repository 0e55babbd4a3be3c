//! Counts what each owner has taken, and refuses what would leave too little for others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limits of a take, in the same unit as the amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// For all owners together.
    pub all: u64,
    /// For each owner.
    pub own: u64,
}

impl Most {
    /// An owner may have half of all, rounded up.
    pub const fn halves(all: u64) -> Self {
        Self {
            all,
            own: all.div_ceil(2),
        }
    }

    /// Each owner may have `own`; there is no limit for all.
    pub const fn each(own: u64) -> Self {
        Self { all: u64::MAX, own }
    }
}

/// Amounts that owners have taken. Clones share their counts.
#[derive(Debug)]
pub struct Shares<K: Clone + Eq + Hash> {
    most: Most,
    taken: Arc<Mutex<Taken<K>>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: u64,
    /// Owners with more than nothing.
    by_owner: HashMap<K, u64>,
}

/// An amount that an owner has taken. Dropping it gives the amount back.
#[derive(Debug)]
pub struct Part<K: Clone + Eq + Hash> {
    shares: Shares<K>,
    owner: K,
    amount: u64,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// Shares of which nothing is taken.
    pub fn new(most: Most) -> Self {
        let taken = Taken {
            all: 0,
            by_owner: HashMap::new(),
        };
        Self {
            most,
            taken: Arc::new(Mutex::new(taken)),
        }
    }

    /// Takes an amount, or `None` if that would pass a limit.
    pub fn take(&self, owner: K, amount: u64) -> Option<Part<K>> {
        self.take_within(owner, amount, self.most)
    }

    /// Takes an amount within other limits than the usual ones.
    pub fn take_within(&self, owner: K, amount: u64, most: Most) -> Option<Part<K>> {
        let mut part = self.nothing(owner);
        part.grow_within(amount, most).then_some(part)
    }

    /// An empty part, to be grown.
    pub fn nothing(&self, owner: K) -> Part<K> {
        Part {
            shares: self.clone(),
            owner,
            amount: 0,
        }
    }

    /// Counts an amount that its owner has in any case.
    pub fn add(&self, owner: K, amount: u64) -> Part<K> {
        let mut part = self.nothing(owner);
        let mut taken = self.lock();
        taken.all = taken.all.saturating_add(amount);
        let own = taken.by_owner.entry(part.owner.clone()).or_default();
        *own = own.saturating_add(amount);
        part.amount = amount;
        part
    }

    /// Gives back an amount whose part was [kept](Part::keep).
    pub fn give_back(&self, owner: &K, amount: u64) {
        if amount == 0 {
            return;
        }
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(amount);
        if let Some(own) = taken.by_owner.get_mut(owner) {
            *own = own.saturating_sub(amount);
            if *own == 0 {
                taken.by_owner.remove(owner);
            }
        }
    }

    /// The usual limits.
    pub fn most(&self) -> Most {
        self.most
    }

    /// The amount that all owners have together.
    pub fn all(&self) -> u64 {
        self.lock().all
    }

    /// The amount that one owner has.
    pub fn of(&self, owner: &K) -> u64 {
        self.lock().by_owner.get(owner).copied().unwrap_or(0)
    }

    /// The owners that have as much as an owner may.
    pub fn full(&self) -> Vec<K> {
        let taken = self.lock();
        let full = taken.by_owner.iter();
        full.filter(|(_, own)| **own >= self.most.own)
            .map(|(owner, _)| owner.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Taken<K>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Clone for Shares<K> {
    fn clone(&self) -> Self {
        Self {
            most: self.most,
            taken: Arc::clone(&self.taken),
        }
    }
}

impl<K: Clone + Eq + Hash> Part<K> {
    /// Takes an amount more within these limits. `false`, and nothing is taken, if that would pass one.
    pub fn grow_within(&mut self, amount: u64, most: Most) -> bool {
        if amount == 0 {
            return true;
        }
        let mut taken = self.shares.lock();
        let own = taken.by_owner.get(&self.owner).copied().unwrap_or(0);
        let (Some(all), Some(own)) = (taken.all.checked_add(amount), own.checked_add(amount))
        else {
            return false;
        };
        if all > most.all || own > most.own {
            return false;
        }
        taken.all = all;
        taken.by_owner.insert(self.owner.clone(), own);
        drop(taken);
        self.amount += amount;
        true
    }

    /// The amount.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// The owner.
    pub fn owner(&self) -> &K {
        &self.owner
    }

    /// Leaves the amount taken after the part is dropped, until [`Shares::give_back`].
    pub fn keep(&mut self) {
        self.amount = 0;
    }
}

impl<K: Clone + Eq + Hash> Drop for Part<K> {
    fn drop(&mut self) {
        self.shares.give_back(&self.owner, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_at_most_half_and_gives_it_back() {
        let shares = Shares::new(Most::halves(5));
        let noisy = shares.take("noisy", 3).expect("half, rounded up");
        assert!(shares.take("noisy", 1).is_none());
        assert_eq!(shares.full(), ["noisy"]);
        let quiet = shares.take("quiet", 2).expect("the rest");
        assert!(shares.take("other", 1).is_none(), "all are taken");
        assert_eq!((shares.all(), shares.of(&"noisy")), (5, 3));
        drop(noisy);
        assert_eq!((shares.all(), shares.of(&"noisy")), (2, 0));
        assert!(shares.take("other", 3).is_some());
        drop(quiet);
        assert!(shares.lock().by_owner.is_empty());
    }

    #[test]
    fn a_part_that_cannot_grow_stays_as_it_is() {
        let shares = Shares::new(Most::each(2));
        let mut part = shares.nothing("one");
        assert!(part.grow_within(2, shares.most()));
        assert!(!part.grow_within(1, shares.most()));
        assert!(
            !part.grow_within(u64::MAX, Most::each(u64::MAX)),
            "overflow"
        );
        assert_eq!((part.amount(), shares.of(&"one")), (2, 2));
    }

    #[test]
    fn a_kept_part_stays_taken_until_it_is_given_back() {
        let shares = Shares::new(Most::halves(2));
        shares.take("one", 1).expect("free").keep();
        assert!(shares.take("one", 1).is_none());
        shares.give_back(&"one", 1);
        assert!(shares.take("one", 1).is_some());
        let over = shares.add("one", 7);
        assert_eq!(shares.of(&"one"), 7, "counted beyond the limit");
        drop(over);
        assert_eq!(shares.all(), 0);
    }
}
