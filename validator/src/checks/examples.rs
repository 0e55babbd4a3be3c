//! Examples: each names a function that is there and expects one thing. Running them is a check of its own.

use super::invalid;
use tollgate_runtime::manifest::{Example, Manifest};
use tollgate_runtime::{FailureKind, Interface, Violation, quoted};

const EXAMPLES_MAX: usize = 50;

/// What an example may expect to fail with.
const FAILURES: &[FailureKind] = &[
    FailureKind::Trap,
    FailureKind::Exit,
    FailureKind::Error,
    FailureKind::Abi,
    FailureKind::MemoryLimit,
    FailureKind::HostLimit,
    FailureKind::OutputLimit,
    FailureKind::OutputInvalid,
    FailureKind::Timeout,
];

pub(super) fn check(manifest: &Manifest, interface: &Interface) -> Vec<Violation> {
    let mut violations = Vec::new();
    if manifest.examples.len() > EXAMPLES_MAX {
        violations.push(invalid(
            "/examples",
            format!("at most {EXAMPLES_MAX} examples are run"),
        ));
    }
    for (index, example) in manifest.examples.iter().enumerate() {
        if let Err((key, message)) = check_example(example, interface) {
            violations.push(invalid(format!("/examples/{index}/{key}"), message));
        }
    }
    violations
}

fn check_example(example: &Example, interface: &Interface) -> Result<(), (&'static str, String)> {
    interface
        .function(example.function.as_deref())
        .map_err(|unknown| ("function", unknown.to_string()))?;
    let expected = [
        example.output.is_some(),
        example.output_schema.is_some(),
        example.failure.is_some(),
    ];
    if expected.iter().filter(|is_set| **is_set).count() > 1 {
        return Err((
            "output",
            "an example expects one of `output`, `output_schema` and `failure`".to_owned(),
        ));
    }
    match &example.failure {
        Some(failure) if !FAILURES.iter().any(|kind| kind.name() == failure) => {
            let kinds: Vec<_> = FAILURES.iter().map(|kind| kind.name()).collect();
            Err((
                "failure",
                format!(
                    "`{}` is no kind of failure ({})",
                    quoted(failure),
                    kinds.join(", ")
                ),
            ))
        }
        _ => Ok(()),
    }
}
