//! The release or draft that a caller runs, and its price.

use tollgate_store::{Digest, OrgId, ReleaseId};

/// The tool to run, on the terms that the caller has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// `None` for a draft.
    pub(crate) release: Option<ReleaseId>,
    pub(crate) digest: Digest,
    /// Tokens that a successful run costs.
    pub(crate) price: u64,
    /// The org that receives them. `None` if the price is 0.
    pub(crate) seller: Option<OrgId>,
}
