//! Artifacts, their drafts and releases, and the bytes of tools.

pub(crate) mod artifact;
pub(crate) mod cover;
pub(crate) mod draft;
pub(crate) mod publishing;
pub(crate) mod quota;
pub(crate) mod release;
pub(crate) mod terms;
pub(crate) mod upload;
pub(crate) mod words;
