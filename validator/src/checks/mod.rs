//! What protects buyers and sellers, one file each, in order: what the manifest says, how the functions are described,
//! what the file carries besides.

mod command;
mod credentials;
mod documentation;
mod egress;
mod examples;
mod limits;
mod name;
mod sections;

use crate::in_manifest::in_manifest;
pub use credentials::{HOSTS_MAX, is_credential_name, is_host};
pub use name::is_tool_name;
use tollgate_runtime::checks::Admissible;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Limits, Violation};

pub(crate) fn check(admissible: &Admissible, limits: &Limits) -> Vec<Violation> {
    let manifest = admissible.manifest.as_ref();
    manifest.map_or_else(Vec::new, |manifest| check_manifest(manifest, limits))
}

/// Whether the examples can be run at all.
pub(crate) fn check_examples(admissible: &Admissible) -> Vec<Violation> {
    let manifest = admissible.manifest.as_ref();
    let check = |manifest| examples::check(manifest, &admissible.interface);
    manifest.map_or_else(Vec::new, check)
}

/// What can be said of a manifest alone, whatever the rest of the file is.
pub(crate) fn check_manifest(manifest: &Manifest, limits: &Limits) -> Vec<Violation> {
    let mut violations = name::check(manifest);
    violations.extend(limits::check(manifest, limits));
    violations.extend(credentials::check(manifest));
    violations.extend(egress::check(manifest));
    violations
}

/// What is said of a tool that is admitted.
pub(crate) fn notes(admissible: &Admissible, wasm: &[u8]) -> Vec<Violation> {
    let mut notes = admissible.notes.clone();
    if let Some(manifest) = &admissible.manifest {
        notes.extend(credentials::notes(manifest));
        notes.extend(documentation::notes(admissible, manifest));
        notes.extend(command::notes(manifest));
    }
    notes.extend(sections::notes(wasm));
    notes
}

fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Violation {
    in_manifest("manifest_invalid", pointer, message)
}

#[cfg(test)]
fn manifest(text: &str) -> tollgate_runtime::manifest::Manifest {
    let text = format!("name = \"tool\"\n{text}");
    tollgate_runtime::manifest::Manifest::parse(&text).expect("a readable manifest")
}
