//! Artifacts from upload to release, their covers, and their tools.

pub(crate) mod artifact_view;
pub(crate) mod artifacts;
pub(crate) mod cover_picture;
pub(crate) mod covers;
pub(crate) mod judge;
pub(crate) mod releases;
pub(crate) mod tools;
pub(crate) mod upload;
