//! The handle of a loaded tool, which can be run any number of times.

use crate::run::shared::Shared;
use crate::tool::Compiled;
use crate::tool::checks::Kind;
use crate::tool::interface::Interface;
use crate::tool::manifest::Manifest;
use crate::tool::survey::Counts;
use crate::violation::Violation;
use std::fmt;
use std::sync::Arc;

/// A tool that may be run.
#[derive(Clone)]
pub struct Tool {
    pub(crate) shared: Arc<Shared>,
    pub(crate) compiled: Arc<Compiled>,
}

impl Tool {
    /// Typed component or command.
    pub fn kind(&self) -> Kind {
        self.compiled.admissible.kind
    }

    /// The functions it offers.
    pub fn interface(&self) -> &Interface {
        &self.compiled.admissible.interface
    }

    /// Its manifest, if it has one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.compiled.admissible.manifest.as_ref()
    }

    /// The instances, memories and tables of one run.
    pub fn counts(&self) -> Counts {
        self.compiled.admissible.counts
    }

    /// Notes of the checks, which do not keep the tool from being admitted.
    pub fn notes(&self) -> &[Violation] {
        &self.compiled.admissible.notes
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}
