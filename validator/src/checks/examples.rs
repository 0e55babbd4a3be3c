//! Examples: each names a function that is there, expects one thing, and has answers that can be given. Running them
//! comes last.

use super::invalid;
use crate::examples::{Expected, recordings};
use tollgate_runtime::manifest::{Example, Manifest};
use tollgate_runtime::{Interface, Violation};

const EXAMPLES_MAX: usize = 50;

pub(super) fn check(manifest: &Manifest, interface: &Interface) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.examples.len() > EXAMPLES_MAX {
        violations.push(invalid(
            "/examples",
            format!("at most {EXAMPLES_MAX} examples are run"),
        ));
    }
    for (index, example) in manifest.examples.iter().enumerate().take(EXAMPLES_MAX) {
        if let Err((key, message)) = check_example(example, interface) {
            violations.push(invalid(format!("/examples/{index}/{key}"), message));
        }
    }
    violations
}

fn check_example(example: &Example, interface: &Interface) -> Result<(), (String, String)> {
    interface
        .function(example.function.as_deref())
        .map_err(|unknown| ("function".to_owned(), unknown.to_string()))?;
    Expected::of(example).map_err(|(key, message)| (key.to_owned(), message))?;
    recordings(example)
        .map(|_| ())
        .map_err(|(index, key, message)| (format!("http/{index}/{key}"), message))
}
