//! Orgs, projects, keys, secrets and suspensions.

pub(crate) mod actions;
pub(crate) mod environment;
pub(crate) mod keys;
pub(crate) mod orgs;
pub(crate) mod suspensions;
