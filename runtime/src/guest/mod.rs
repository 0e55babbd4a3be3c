//! The host's state of a running guest.

pub(crate) mod lifted;
pub(crate) mod limiter;

use crate::guest::lifted::Lifted;
use crate::guest::limiter::Limiter;
use std::sync::Arc;

/// The runtime's state in a run's store. A host's own imports find the owner here.
#[derive(Debug)]
pub struct RunState {
    pub(crate) limiter: Limiter,
    pub(crate) owner: Arc<str>,
    /// The values of a typed call.
    pub(crate) lifted: Option<Lifted>,
}

impl RunState {
    /// The owner for fair scheduling.
    pub fn owner(&self) -> &str {
        &self.owner
    }
}
