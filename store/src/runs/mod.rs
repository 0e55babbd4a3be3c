//! Records of runs, from admission to settlement, and answers to repeated requests.

pub(crate) mod failure;
pub(crate) mod idempotency;
pub(crate) mod kept;
pub(crate) mod life;
pub(crate) mod run;
pub(crate) mod run_usage;
pub(crate) mod settlement;
pub(crate) mod status;
pub(crate) mod uploaded_spans;
pub(crate) mod usage;
