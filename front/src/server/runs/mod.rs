//! Runs: from request to answer, synchronous and async, and what can be read of them.

pub(crate) mod admission;
pub(crate) mod finish;
pub(crate) mod handlers;
pub(crate) mod jobs;
pub(crate) mod life;
pub(crate) mod prepare;
pub(crate) mod recall;
pub(crate) mod request;
pub(crate) mod run_view;
pub(crate) mod sessions;
pub(crate) mod source;
pub(crate) mod spans;
pub(crate) mod uploaded_span;
