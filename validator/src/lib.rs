//! The gate: from a seller's bytes to an admitted tool, or every reason why not.
//!
//! The checks that protect the host are the runtime's ([`tollgate_runtime::checks`]); this crate runs that same
//! list, adds what protects buyers and sellers, and compiles last. Files and folders are read by [`source`].

pub mod catalogue;
mod checks;
mod examples;
#[cfg(fuzzing)]
pub mod fuzzing;
mod in_manifest;
pub mod pack;
mod place;
pub mod source;
pub mod upload;

use bytes::Bytes;
use checks::check_manifest;
pub use checks::{HOSTS_MAX, is_credential_name, is_host, is_tool_name};
pub use place::Places;
use serde::Serialize;
use source::manifest_in;
use std::time::Duration;
use tollgate_runtime::checks::Admissible;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Judged, Limits, Rejected, Runtime, Tool, Violation};

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

    fn rejected(Rejected { violations }: Rejected) -> Self {
        Self {
            tool: None,
            violations,
            notes: Vec::new(),
        }
    }

    /// Gives what is said of the manifest its line in that text, which may be another than the one in the file.
    pub fn place_in(&mut self, manifest: &str) {
        let Some(places) = Places::of(manifest) else {
            return;
        };
        for it in self.violations.iter_mut().chain(&mut self.notes) {
            let pointer = it.place.pointer.as_deref();
            if let Some(line) = pointer.and_then(|pointer| places.line(pointer)) {
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
    let mut verdict = admit(runtime, owner, wasm, checks::check_examples).await;
    let Some(tool) = verdict.tool.take() else {
        return verdict;
    };
    let ran = examples::run(runtime, &tool, owner, EXAMPLES_FOR).await;
    if ran.violations.is_empty() {
        verdict.notes.extend(ran.notes);
        verdict.tool = Some(tool);
        return verdict;
    }
    let mut verdict = Verdict {
        tool: None,
        violations: ran.violations,
        notes: ran.notes,
    };
    if let Some(manifest) = tool.manifest() {
        verdict.place_in(manifest.text());
    }
    verdict
}

/// The same without the examples: nothing of the tool is run.
pub async fn judge(runtime: &Runtime, owner: &str, wasm: Bytes) -> Verdict {
    admit(runtime, owner, wasm, |_| Vec::new()).await
}

/// Some checks of one's own.
type Also = fn(&Admissible) -> Vec<Violation>;

/// Every check in order, with some of one's own, and compiles what passed.
async fn admit(runtime: &Runtime, owner: &str, wasm: Bytes, also: Also) -> Verdict {
    let judged = runtime.judge(wasm.clone()).await;
    let limits = runtime.rules().limits.clone();
    // What strangers wrote may take a while to read: on a thread where nobody waits for it.
    let checked = move || Ok(check(judged, &wasm, &limits, also));
    let (judged, notes) = match runtime.on_a_thread(checked).await {
        Ok(Ok(passed)) => passed,
        Ok(Err(rejected)) => return rejected,
        Err(rejected) => return Verdict::rejected(rejected),
    };
    match runtime.compile(owner, judged).await {
        Ok(tool) => Verdict {
            tool: Some(tool),
            violations: Vec::new(),
            notes,
        },
        Err(rejected) => Verdict::rejected(rejected),
    }
}

/// What there is to say before compiling: with what passed its notes, or why not. What was found in the manifest has
/// its line there.
fn check(
    judged: Result<Judged, Rejected>,
    wasm: &[u8],
    limits: &Limits,
    also: Also,
) -> Result<(Judged, Vec<Violation>), Verdict> {
    let (violations, text) = match judged {
        Ok(judged) => {
            let admissible = judged.admissible();
            let mut violations = checks::check(admissible, limits);
            violations.extend(also(admissible));
            if violations.is_empty() {
                let notes = checks::notes(admissible, wasm);
                return Ok((judged, notes));
            }
            let manifest = admissible.manifest.as_ref();
            (violations, manifest.map(|it| it.text().to_owned()))
        }
        Err(Rejected { mut violations }) => {
            let text = manifest_in(wasm);
            let manifest = text.as_deref().and_then(|text| Manifest::parse(text).ok());
            violations.extend(manifest.iter().flat_map(|it| check_manifest(it, limits)));
            (violations, text)
        }
    };
    let mut verdict = Verdict::rejected(Rejected { violations });
    if let Some(text) = text {
        verdict.place_in(&text);
    }
    Err(verdict)
}
