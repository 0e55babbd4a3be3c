//! The gate: from a seller's bytes to an admitted tool, or every reason why not.
//!
//! The checks that protect the host are the runtime's ([`tollgate_runtime::checks`]); this crate runs that same
//! list, adds what protects buyers and sellers, and compiles last. Files and folders are read by [`source`].

mod checks;
mod examples;
pub mod pack;
pub mod source;
pub mod upload;

use bytes::Bytes;
pub use checks::{is_credential_name, is_host, is_tool_name};
use serde::Serialize;
use tollgate_runtime::{Rejected, Runtime, Tool, Violation};

/// What the gate says of a file.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The tool, where it is admitted.
    pub tool: Option<Tool>,
    /// Every reason against it.
    pub violations: Vec<Violation>,
    /// What is no reason against it, but worth knowing.
    pub notes: Vec<Violation>,
}

/// A verdict as it is sent and printed.
#[derive(Debug, Serialize)]
pub struct Report<'v> {
    status: &'static str,
    violations: &'v [Violation],
    notes: &'v [Violation],
}

impl Verdict {
    /// Whether the tool may run.
    pub fn is_admitted(&self) -> bool {
        self.tool.is_some()
    }

    /// In the form it is sent and printed in.
    pub fn report(&self) -> Report<'_> {
        let status = if self.is_admitted() {
            "ADMITTED"
        } else {
            "REJECTED"
        };
        Report {
            status,
            violations: &self.violations,
            notes: &self.notes,
        }
    }

    fn rejected(violations: Vec<Violation>) -> Self {
        Self {
            tool: None,
            violations,
            notes: Vec::new(),
        }
    }
}

/// Judges a file by every check, in order, its examples last. A check that cannot be run rejects.
pub async fn validate(runtime: &Runtime, wasm: &[u8]) -> Verdict {
    validate_for(runtime, "", Bytes::copy_from_slice(wasm)).await
}

/// The same for somebody: `owner` is whom turns at the compiler, and of the examples, are shared by.
pub async fn validate_for(runtime: &Runtime, owner: &str, wasm: Bytes) -> Verdict {
    let mut verdict = judge(runtime, owner, wasm).await;
    if let Some(tool) = &verdict.tool {
        let ran = examples::run(tool, owner).await;
        if !ran.violations.is_empty() {
            return Verdict {
                notes: ran.notes,
                ..Verdict::rejected(ran.violations)
            };
        }
        verdict.notes.extend(ran.notes);
    }
    verdict
}

/// The same, without running anything: the examples are left out.
pub async fn judge(runtime: &Runtime, owner: &str, wasm: Bytes) -> Verdict {
    let judged = match runtime.judge(wasm).await {
        Ok(judged) => judged,
        Err(Rejected { violations }) => return Verdict::rejected(violations),
    };
    let violations = checks::check(judged.admissible(), &runtime.rules().limits);
    if !violations.is_empty() {
        return Verdict::rejected(violations);
    }
    let notes = checks::notes(judged.admissible());
    match runtime.compile(owner, judged).await {
        Ok(tool) => Verdict {
            tool: Some(tool),
            violations: Vec::new(),
            notes,
        },
        Err(Rejected { violations }) => Verdict::rejected(violations),
    }
}
