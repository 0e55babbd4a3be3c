//! How many runs an org has under way whose answers are waited for.

use super::told::{Policy, Standing};
use std::num::NonZeroU32;
use tollgate_fair::{Most, Part, Shares};
use tollgate_store::OrgId;

/// The count of each org that has any.
pub(super) struct Runs {
    policy: Policy,
    by_org: Shares<OrgId>,
}

/// A run under way, until it is dropped.
pub(crate) type UnderWay = Part<OrgId>;

impl Runs {
    pub(super) fn new(at_once: NonZeroU32) -> Self {
        let policy = Policy {
            name: "runs",
            quota: at_once.get(),
            window: None,
        };
        Self {
            policy,
            by_org: Shares::new(Most::each(u64::from(at_once.get()))),
        }
    }

    /// Begins a run. The standing says how many more the org may begin now.
    pub(super) fn begin(&self, org: OrgId) -> Result<(UnderWay, Standing), Standing> {
        let standing = |left| Standing {
            policy: self.policy,
            left,
            more_in: None,
        };
        let under_way = self.by_org.take(org, 1).ok_or(standing(0))?;
        let others = u32::try_from(self.by_org.of(&org)).unwrap_or(u32::MAX);
        let left = self.policy.quota.saturating_sub(others);
        Ok((under_way, standing(left)))
    }
}
