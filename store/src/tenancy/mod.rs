//! Orgs, projects, keys, sessions and secrets: who calls, and what they may do.

pub(crate) mod action;
pub(crate) mod allowance;
pub(crate) mod caps;
pub(crate) mod environment;
pub(crate) mod key;
pub(crate) mod orgs;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod suspension;
pub(crate) mod token;
pub(crate) mod vault;
