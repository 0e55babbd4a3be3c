//! The steps of a tool before it is loaded.

use crate::digest::ToolDigest;
use crate::tool::checks::Admissible;
use crate::tool::rejected::Rejected;
use bytes::Bytes;
use std::sync::Arc;

/// Why a tool's bytes could not be had, in the words of whoever was to give them.
pub type FetchError = Arc<dyn std::error::Error + Send + Sync>;

/// A tool could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// It is no tool for this host.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Its bytes could not be had.
    #[error("the tool's bytes could not be had: {0}")]
    Fetch(FetchError),
}

/// A file that passed the checks that protect the host; not compiled yet, as far as it knows.
#[derive(Debug, Clone)]
pub struct Judged {
    pub(super) digest: ToolDigest,
    pub(super) wasm: Bytes,
    pub(super) admissible: Admissible,
}

impl Judged {
    pub(crate) fn digest(&self) -> ToolDigest {
        self.digest
    }

    /// What the checks found.
    pub fn admissible(&self) -> &Admissible {
        &self.admissible
    }
}
