//! Work on a whole folder: audit, backup, retention and rotation of the master key.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod retention;
pub(crate) mod rotation;
