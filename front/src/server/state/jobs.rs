//! The slots of async runs.

use tokio::sync::Notify;
use tollgate_fair::{Most, Part, Shares};
use tollgate_store::OrgId;

/// The async runs in progress, by org.
pub(crate) struct Jobs {
    /// Signalled when a run was queued or a slot is free.
    pub(crate) queued: Notify,
    /// Signalled when an async run has ended.
    pub(crate) ended: Notify,
    /// Held from before a run is taken out of the queue until it is found among the [live](super::live::Live) ones.
    pub(crate) claiming: tokio::sync::Mutex<()>,
    running: Shares<OrgId>,
}

impl Jobs {
    pub(crate) fn new(runs_max: usize) -> Self {
        Self {
            queued: Notify::new(),
            ended: Notify::new(),
            claiming: tokio::sync::Mutex::default(),
            running: Shares::new(Most::halves(runs_max as u64)),
        }
    }

    /// Counts a slot for a claimed run of the org. Only the task that claims calls this, after
    /// [`passed_over`](Self::passed_over).
    pub(crate) fn take(&self, org: OrgId) -> Part<OrgId> {
        self.running.add(org, 1)
    }

    /// A taken slot that announces its end.
    pub(crate) fn announced(&self, part: Part<OrgId>) -> JobSlot<'_> {
        let part = Some(part);
        JobSlot { jobs: self, part }
    }

    /// The orgs that have their share, which is half of all slots. `None` if all slots are taken.
    pub(crate) fn passed_over(&self) -> Option<Vec<OrgId>> {
        let is_free = self.running.all() < self.running.most().all;
        is_free.then(|| self.running.full())
    }
}

/// An org's slot for an async run. Dropping it frees the slot, even after a panic.
pub(crate) struct JobSlot<'j> {
    jobs: &'j Jobs,
    /// `None` once the slot is free.
    part: Option<Part<OrgId>>,
}

impl Drop for JobSlot<'_> {
    fn drop(&mut self) {
        self.part = None;
        self.jobs.ended.notify_waiters();
        self.jobs.queued.notify_one();
    }
}
