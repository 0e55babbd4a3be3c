//! The host's state of a running guest.

pub(crate) mod lifted;
pub(crate) mod limiter;

use crate::guest::lifted::Lifted;
use crate::guest::limiter::Limiter;
use std::sync::Arc;

/// What the runtime keeps in a run's store. A host's own imports find whom they serve here.
#[derive(Debug)]
pub struct RunState {
    pub(crate) limiter: Limiter,
    pub(crate) owner: Arc<str>,
    /// Of a call with values.
    pub(crate) lifted: Option<Lifted>,
}

impl RunState {
    /// Whom the run's turns are shared by.
    pub fn owner(&self) -> &str {
        &self.owner
    }
}
