//! A request to run a tool.

use crate::limits::Limits;
use crate::run::credentials::Credentials;
use crate::run::refused::Refused;
use crate::value::held;
use serde_json::Value;
use std::sync::Arc;
use tollgate_host_api::budget::{Budget, Lease};
use tollgate_host_api::egress::recorded::Recording;

/// The size up to which a waiting input is not counted. Every call may have as much.
pub(crate) const SMALL_BYTES: u64 = 16 * 1024;

/// A request to run a tool.
#[derive(Debug, Clone)]
pub struct Run {
    pub(crate) function: Option<String>,
    pub(crate) input: Value,
    pub(crate) owner: Arc<str>,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Option<Limits>,
    pub(crate) recorded: Option<Arc<[Recording]>>,
    pub(crate) is_profiled: bool,
    /// Its input's part of what waits.
    pub(crate) waiting: Option<Arc<Lease>>,
}

impl Run {
    /// A run of a function with its input.
    pub fn new(function: impl Into<String>, input: Value) -> Self {
        Self {
            function: Some(function.into()),
            ..Self::only(input)
        }
    }

    /// A run of the only function there is.
    pub fn only(input: Value) -> Self {
        let (owner, credentials) = (Arc::from(""), Credentials::new());
        Self {
            function: None,
            input,
            owner,
            credentials,
            limits: None,
            recorded: None,
            is_profiled: false,
            waiting: None,
        }
    }

    /// The owner for fair scheduling.
    pub fn owner(mut self, owner: impl AsRef<str>) -> Self {
        self.owner = Arc::from(owner.as_ref());
        self
    }

    /// Secrets the tool may use.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Limits for this run. They only lower the runtime's and the tool's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Answers its requests with these, in the place of hosts: none goes out, and one that is not among them is refused.
    pub fn recorded(mut self, recorded: impl IntoIterator<Item = Recording>) -> Self {
        self.recorded = Some(recorded.into_iter().collect());
        self
    }

    /// Bytes the host holds of its input.
    pub(crate) fn input_bytes(&self) -> u64 {
        match &self.waiting {
            Some(lease) => lease.bytes(),
            None => held::json(&self.input),
        }
    }

    /// Asks for a [`Profile`](crate::Profile) in the outcome, whatever the end. It slows the guest by a few
    /// microseconds a millisecond.
    pub fn profiled(mut self) -> Self {
        self.is_profiled = true;
        self
    }
}

pub(crate) fn hold(waiting_inputs: &Budget, mut run: Run) -> Result<Run, Refused> {
    if run.waiting.is_none() {
        run.waiting = waiting(waiting_inputs, &run.owner, held::json(&run.input))?.map(Arc::new);
    }
    Ok(run)
}

pub(crate) fn waiting(
    waiting_inputs: &Budget,
    owner: &Arc<str>,
    bytes: u64,
) -> Result<Option<Lease>, Refused> {
    if bytes <= SMALL_BYTES {
        return Ok(None);
    }
    let mut lease = waiting_inputs.lease(owner);
    lease.try_grow(bytes).map_err(|_| Refused::AtCapacity)?;
    Ok(Some(lease))
}
