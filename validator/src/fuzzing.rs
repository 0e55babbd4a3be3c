//! The door to the gate's checks, for the fuzz targets: everything but compiling and running.

use crate::checks;
use tollgate_runtime::checks::Admissible;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Limits, Violation};

/// What is found in a file that the host has nothing against, notes among it.
pub fn check(admissible: &Admissible, wasm: &[u8]) -> Vec<Violation> {
    let mut found = checks::check(admissible, &Limits::default());
    found.extend(checks::check_examples(admissible));
    found.extend(checks::notes(admissible, wasm));
    found
}

/// What is found in a manifest alone.
pub fn check_manifest(manifest: &Manifest) -> Vec<Violation> {
    checks::check_manifest(manifest, &Limits::default())
}
