//! Where the limiters keep what they know: as many places as there may be, and no more.

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether a request is let through and counted, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Ask<K> {
    Take(K),
    Look(K),
}

/// When each key has its whole quota again. Once there is no place left, keys that have none share one, so that whoever
/// comes with ever new ones makes nothing grow.
#[derive(Debug)]
pub(super) struct Places<K> {
    state: Mutex<State<K>>,
    places_max: usize,
}

#[derive(Debug)]
struct State<K> {
    by_key: HashMap<K, Nanos>,
    others: Option<Nanos>,
}

impl<K: Eq + Hash + Copy> Places<K> {
    pub(super) fn new(places_max: usize) -> Self {
        let state = State {
            by_key: HashMap::new(),
            others: None,
        };
        Self {
            state: Mutex::new(state),
            places_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Copy> StateStore for Places<K> {
    type Key = Ask<K>;

    fn measure_and_replace<T, F, E>(&self, ask: &Ask<K>, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (Ask::Take(key) | Ask::Look(key)) = ask;
        let mut state = self.lock();
        let shares = state.by_key.len() >= self.places_max && !state.by_key.contains_key(key);
        let before = match shares {
            true => state.others,
            false => state.by_key.get(key).copied(),
        };
        let (decided, after) = decide(before)?;
        match (ask, shares) {
            (Ask::Look(_), _) => {}
            (Ask::Take(_), true) => state.others = Some(after),
            (Ask::Take(_), false) => drop(state.by_key.insert(*key, after)),
        }
        Ok(decided)
    }
}

impl<K: Eq + Hash + Copy> ShrinkableKeyedStateStore<Ask<K>> for Places<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut state = self.lock();
        state.by_key.retain(|_, whole_at| *whole_at > drop_below);
        state.by_key.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.lock().by_key.len()
    }

    fn is_empty(&self) -> bool {
        self.lock().by_key.is_empty()
    }
}
