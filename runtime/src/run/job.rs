//! A job: everything that a guest is called with.

use crate::limits::Limits;
use crate::run::refused::Started;
use crate::tool::command::Call;
use crate::tool::interface::Interface;
use crate::value::{Type, held};
use std::fmt;
use std::sync::Arc;
use tollgate_host_api::egress::recorded::Recording;
use tollgate_host_api::exchange::RunSecret;
use wasmtime::component::Val;

/// A prepared request.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) secrets: Vec<RunSecret>,
    pub(crate) limits: Limits,
    pub(crate) owner: Arc<str>,
    pub(crate) started: Started,
    /// Recorded answers that replace hosts.
    pub(crate) recorded: Option<Arc<[Recording]>>,
    pub(crate) is_profiled: bool,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

pub(crate) enum Request {
    Typed { index: usize, parameters: Vec<Val> },
    Command(Call),
}

impl Request {
    /// Bytes made of the input.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Request::Typed { parameters, .. } => parameters.iter().map(held::parameter).sum(),
            Request::Command(call) => call.bytes(),
        }
    }

    /// The type of what the call gives back. A command gives none.
    pub(crate) fn result_type<'t>(&self, interface: &'t Interface) -> Option<&'t Type> {
        match self {
            Request::Typed { index, .. } => interface.result_type(*index),
            Request::Command(_) => None,
        }
    }
}
