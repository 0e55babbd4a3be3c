//! The number of queued runs, counted in memory: of all orgs and of each. Counting rows would take as long as the queue is,
//! and requests that race would pass a limit together.

use crate::id::OrgId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts, which follow each commit.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    by_org: HashMap<OrgId, u64>,
}

/// A place in the queue. It is free again when this is dropped, unless a row [has](Self::keep) it.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    org: OrgId,
    is_kept: bool,
}

impl Queue {
    /// The queue of a database that has so many queued runs of each org.
    pub(crate) fn new(by_org: Vec<(OrgId, i64)>) -> Self {
        let queue = Self::default();
        for (org, runs) in by_org {
            queue.lock().add(org, runs.cast_unsigned());
        }
        queue
    }

    /// A place, if fewer than `max` runs are queued and fewer than half as many of this org.
    pub(crate) fn enter(self: &Arc<Self>, org: OrgId, max: u64) -> Option<Place> {
        let mut counts = self.lock();
        let of_org = counts.by_org.get(&org).copied().unwrap_or(0);
        if counts.all >= max || of_org >= max / 2 {
            return None;
        }
        counts.add(org, 1);
        drop(counts);
        Some(Place {
            queue: Arc::clone(self),
            org,
            is_kept: false,
        })
    }

    /// Counts a run that was put back into the queue.
    pub(crate) fn put_back(&self, org: OrgId) {
        self.lock().add(org, 1);
    }

    /// Counts a run that is not queued any more.
    pub(crate) fn leave(&self, org: OrgId) {
        let mut counts = self.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_org) = counts.by_org.get_mut(&org) {
            *of_org = of_org.saturating_sub(1);
            if *of_org == 0 {
                counts.by_org.remove(&org);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, org: OrgId, runs: u64) {
        self.all = self.all.saturating_add(runs);
        let of_org = self.by_org.entry(org).or_default();
        *of_org = of_org.saturating_add(runs);
    }
}

impl Place {
    /// Leaves the place taken: a queued run's row has it now.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            self.queue.leave(self.org);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_has_at_most_half_of_the_places_and_gives_them_back() {
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let queue = Arc::new(Queue::new(vec![(noisy, 1)]));
        let mut second = queue.enter(noisy, 4).expect("the second of two");
        assert!(queue.enter(noisy, 4).is_none(), "half are its own");
        let third = queue.enter(quiet, 4).expect("the other half");
        let fourth = queue.enter(quiet, 4).expect("the last one");
        assert!(queue.enter(OrgId::new(), 4).is_none(), "all are taken");
        drop(third);
        second.keep();
        drop(second);
        assert!(queue.enter(noisy, 4).is_none(), "rows have both places");
        queue.leave(noisy);
        drop(queue.enter(noisy, 4).expect("one was claimed"));
        queue.put_back(noisy);
        assert!(queue.enter(noisy, 4).is_none(), "and put back");
        drop(fourth);
    }
}
