//! The gate's queue: one draft of each org is judged at a time, orgs in turns.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tollgate_fair::Turns;
use tollgate_store::{ArtifactId, OrgId};

/// The drafts that wait for their verdict.
#[derive(Default)]
pub(crate) struct Gate {
    waiting: Mutex<Waiting>,
    /// Signalled when there may be a draft to judge.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct Waiting {
    drafts: Turns<OrgId, (OrgId, ArtifactId)>,
    /// The orgs with a draft in progress, and that draft.
    busy: HashMap<OrgId, ArtifactId>,
}

impl Gate {
    /// Adds a draft to its org's queue.
    pub(crate) fn ask(&self, org: OrgId, artifact: ArtifactId) {
        let mut waiting = self.lock();
        let draft = (org, artifact);
        if waiting.drafts.of(&org).contains(&draft) {
            return;
        }
        waiting.drafts.push(&org, draft);
        drop(waiting);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next draft of an org that has none being judged.
    pub(crate) fn next(&self) -> Option<(OrgId, ArtifactId)> {
        let mut waiting = self.lock();
        let Waiting { drafts, busy } = &mut *waiting;
        let (org, artifact) = drafts.pop_fitting(|(org, _)| !busy.contains_key(org))?;
        busy.insert(org, artifact);
        Some((org, artifact))
    }

    pub(crate) fn being_judged(&self) -> Vec<(OrgId, ArtifactId)> {
        let waiting = self.lock();
        waiting.busy.iter().map(|(org, id)| (*org, *id)).collect()
    }

    pub(crate) fn done(&self, org: OrgId) {
        self.lock().busy.remove(&org);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_s_next_draft_waits_for_the_one_being_judged() {
        let gate = Gate::default();
        let (noisy, quiet) = (OrgId::new(), OrgId::new());
        let drafts = [ArtifactId::new(), ArtifactId::new(), ArtifactId::new()];
        gate.ask(noisy, drafts[0]);
        gate.ask(noisy, drafts[1]);
        gate.ask(quiet, drafts[2]);
        assert_eq!(gate.next(), Some((noisy, drafts[0])));
        assert_eq!(gate.next(), Some((quiet, drafts[2])));
        assert_eq!(gate.next(), None, "the noisy one's first has not ended");
        gate.done(noisy);
        assert_eq!(gate.next(), Some((noisy, drafts[1])));
    }
}
