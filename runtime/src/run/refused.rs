//! The reasons for which a run does not start, and the time when one does.

use crate::run::credentials::Missing;
use crate::violation::Violation;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::SetOnce;

/// A run that did not start: nothing of the tool has run (or, at capacity, nothing that counts).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The function is not there, or not clear.
    #[error("{}", .0.message)]
    FunctionUnknown(Violation),
    /// The input does not match the function's schema.
    #[error("the input does not match the tool's schema: {}", list(.0))]
    InputInvalid(Vec<Violation>),
    /// Credentials are missing.
    #[error("the tool requires credentials not yet configured: {}", names(.0))]
    CredentialsMissing(Vec<Missing>),
    /// The process has no room for the run.
    #[error("the process is at capacity")]
    AtCapacity,
    /// The host failed.
    #[error("the run could not be started by a fault of the host's")]
    Internal,
}

fn list(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn names(missing: &[Missing]) -> String {
    missing
        .iter()
        .map(|it| it.name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The time when a run's guest started. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Started(Arc<SetOnce<SystemTime>>);

impl Started {
    /// By the machine's clock; `None` while the run waits for its turn or is being loaded.
    pub fn at(&self) -> Option<SystemTime> {
        self.0.get().copied()
    }

    /// Waits for the start. A run that ends without one never starts.
    pub async fn wait(&self) -> SystemTime {
        *self.0.wait().await
    }

    pub(crate) fn mark(&self) {
        let _ = self.0.set(SystemTime::now());
    }
}
