//! What a caller runs, and for how much.

use tollgate_store::{Digest, OrgId, ReleaseId};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// None for a draft.
    pub(crate) release: Option<ReleaseId>,
    pub(crate) digest: Digest,
    /// Tokens, when it succeeds.
    pub(crate) price: u64,
    /// Whose they are.
    pub(crate) seller: Option<OrgId>,
}
