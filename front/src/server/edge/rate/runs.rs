//! How many runs an org has under way whose answers are waited for.

use super::told::{Policy, Standing};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use tollgate_store::OrgId;

/// The count of each org that has any.
pub(super) struct Runs {
    policy: Policy,
    by_org: Arc<Mutex<HashMap<OrgId, u32>>>,
}

/// A run under way; dropped, it is none.
pub(crate) struct UnderWay {
    org: OrgId,
    by_org: Arc<Mutex<HashMap<OrgId, u32>>>,
}

impl Runs {
    pub(super) fn new(at_once: NonZeroU32) -> Self {
        let policy = Policy {
            name: "runs",
            quota: at_once.get(),
            window: None,
        };
        Self {
            policy,
            by_org: Arc::default(),
        }
    }

    /// Begins one and says how many more there may be, or that there are as many as there may be.
    pub(super) fn begin(&self, org: OrgId) -> Result<(UnderWay, Standing), Standing> {
        let mut by_org = self.by_org.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = by_org.entry(org).or_default();
        let standing = |left| Standing {
            policy: self.policy,
            left,
            more_in: None,
        };
        if *under_way >= self.policy.quota {
            return Err(standing(0));
        }
        *under_way += 1;
        let left = self.policy.quota - *under_way;
        let by_org = Arc::clone(&self.by_org);
        Ok((UnderWay { org, by_org }, standing(left)))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut by_org = self.by_org.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = by_org.get_mut(&self.org) {
            *under_way -= 1;
            if *under_way == 0 {
                by_org.remove(&self.org);
            }
        }
    }
}
