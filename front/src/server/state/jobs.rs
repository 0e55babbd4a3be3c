//! The slots of async runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;
use tollgate_store::OrgId;

/// The async runs in progress, by org.
pub(crate) struct Jobs {
    runs_max: usize,
    /// Signalled when a run was queued or a slot is free.
    pub(crate) queued: Notify,
    /// Signalled when an async run has ended.
    pub(crate) ended: Notify,
    /// Held from before a run is taken out of the queue until it is found among the [live](super::live::Live) ones.
    pub(crate) claiming: tokio::sync::Mutex<()>,
    running: Mutex<HashMap<OrgId, usize>>,
}

impl Jobs {
    pub(crate) fn new(runs_max: usize) -> Self {
        Self {
            runs_max,
            queued: Notify::new(),
            ended: Notify::new(),
            claiming: tokio::sync::Mutex::default(),
            running: Mutex::new(HashMap::new()),
        }
    }

    /// Takes a slot for a run of the org.
    pub(crate) fn take(&self, org: OrgId) {
        *self.lock().entry(org).or_default() += 1;
    }

    /// The slot that [`take`](Self::take) has taken for the org.
    pub(crate) fn taken(&self, org: OrgId) -> JobSlot<'_> {
        JobSlot { jobs: self, org }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OrgId, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The orgs that have their share, which is half of all slots. `None` if all slots are taken.
    pub(crate) fn passed_over(&self) -> Option<Vec<OrgId>> {
        let running = self.lock();
        if running.values().sum::<usize>() >= self.runs_max {
            return None;
        }
        let share = (self.runs_max / 2).max(1);
        let has_share = running.iter().filter(|(_, runs)| **runs >= share);
        Some(has_share.map(|(org, _)| *org).collect())
    }
}

/// An org's slot for an async run. Dropping it frees the slot, even after a panic.
pub(crate) struct JobSlot<'j> {
    jobs: &'j Jobs,
    org: OrgId,
}

impl Drop for JobSlot<'_> {
    fn drop(&mut self) {
        let mut running = self.jobs.lock();
        if let Some(runs) = running.get_mut(&self.org) {
            *runs -= 1;
            if *runs == 0 {
                running.remove(&self.org);
            }
        }
        drop(running);
        self.jobs.ended.notify_waiters();
        self.jobs.queued.notify_one();
    }
}
