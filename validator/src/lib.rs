//! The gate: from a seller's bytes to an admitted tool, or every reason why not.
//!
//! The checks that protect the host are the runtime's ([`tollgate_runtime::checks`]); this crate runs that same
//! list, adds what protects buyers and sellers, and compiles last. Files and folders are read by [`source`].

pub mod catalogue;
mod checks;
mod examples;
pub mod pack;
mod place;
pub mod source;
pub mod upload;

use bytes::Bytes;
use checks::check_manifest;
pub use checks::{is_credential_name, is_host, is_tool_name};
pub use place::{line_in, span_in};
use serde::Serialize;
use source::manifest_in;
use std::time::Duration;
use tollgate_runtime::checks::Admissible;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Rejected, Runtime, Tool, Violation};

/// How long the examples of a tool may take in all, before another is started.
const EXAMPLES_FOR: Duration = Duration::from_secs(60);

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

    /// What was found in the manifest has its line there.
    fn rejected(violations: Vec<Violation>, wasm: &[u8]) -> Self {
        let mut verdict = Self {
            tool: None,
            violations,
            notes: Vec::new(),
        };
        if let Some(manifest) = manifest_in(wasm) {
            verdict.place_in(&manifest);
        }
        verdict
    }

    /// Gives what is said of the manifest its line in that text, which may be another than the one in the file.
    pub fn place_in(&mut self, manifest: &str) {
        for it in self.violations.iter_mut().chain(&mut self.notes) {
            let pointer = it.place.pointer.as_deref();
            if let Some(line) = pointer.and_then(|pointer| line_in(manifest, pointer)) {
                it.place.line = Some(line as u64);
            }
        }
    }
}

/// Judges a file by every check, in order, its examples last. A check that cannot be run rejects.
pub async fn validate(runtime: &Runtime, wasm: &[u8]) -> Verdict {
    validate_for(runtime, "", Bytes::copy_from_slice(wasm)).await
}

/// The same for somebody: `owner` is whom turns at the compiler, and of the examples, are shared by.
pub async fn validate_for(runtime: &Runtime, owner: &str, wasm: Bytes) -> Verdict {
    let mut verdict = admit(runtime, owner, wasm.clone(), checks::check_examples).await;
    if let Some(tool) = &verdict.tool {
        let ran = examples::run(tool, owner, EXAMPLES_FOR).await;
        if !ran.violations.is_empty() {
            let rejected = Verdict::rejected(ran.violations, &wasm);
            return Verdict {
                notes: ran.notes,
                ..rejected
            };
        }
        verdict.notes.extend(ran.notes);
    }
    verdict
}

/// The same without the examples: nothing of the tool is run.
pub async fn judge(runtime: &Runtime, owner: &str, wasm: Bytes) -> Verdict {
    admit(runtime, owner, wasm, |_| Vec::new()).await
}

/// Every check in order, with some of one's own, and compiles what passed.
async fn admit(
    runtime: &Runtime,
    owner: &str,
    wasm: Bytes,
    also: fn(&Admissible) -> Vec<Violation>,
) -> Verdict {
    let limits = &runtime.rules().limits;
    let judged = match runtime.judge(wasm.clone()).await {
        Ok(judged) => judged,
        Err(Rejected { mut violations }) => {
            let manifest = manifest_in(&wasm).and_then(|text| Manifest::parse(&text).ok());
            violations.extend(manifest.iter().flat_map(|it| check_manifest(it, limits)));
            return Verdict::rejected(violations, &wasm);
        }
    };
    let mut violations = checks::check(judged.admissible(), limits);
    violations.extend(also(judged.admissible()));
    if !violations.is_empty() {
        return Verdict::rejected(violations, &wasm);
    }
    let notes = checks::notes(judged.admissible(), &wasm);
    match runtime.compile(owner, judged).await {
        Ok(tool) => Verdict {
            tool: Some(tool),
            violations: Vec::new(),
            notes,
        },
        Err(Rejected { violations }) => Verdict::rejected(violations, &wasm),
    }
}
