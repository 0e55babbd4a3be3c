//! The connections of a store: one that writes, some that read, and the log that they share.

pub(crate) mod breaker;
pub(crate) mod log;
pub(crate) mod readers;
pub(crate) mod writer;
