//! A run, from its request to its outcome.

pub(crate) mod admission;
pub(crate) mod credentials;
mod execute;
pub(crate) mod handle;
mod invoke;
mod job;
pub(crate) mod outcome;
pub(crate) mod prepare;
pub(crate) mod refused;
pub(crate) mod request;
pub(crate) mod shared;
mod surroundings;
