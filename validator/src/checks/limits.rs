//! Limits: a manifest only lowers them.

use super::invalid;
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{Limits, Violation};

pub(super) fn check(manifest: &Manifest, limits: &Limits) -> Vec<Violation> {
    let raised = manifest.limits.raised(limits);
    let mut violations: Vec<_> = raised
        .into_iter()
        .map(|(name, limit)| {
            invalid(
                format!("/limits/{name}"),
                format!(
                    "the limit `{name}` is above the platform's {limit}; limits can only be lowered"
                ),
            )
        })
        .collect();
    let lowered = manifest.limits.apply(limits);
    if lowered.timeout.is_zero() {
        violations.push(invalid(
            "/limits/timeout",
            "a timeout of zero lets nothing run",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_limit() {
        let check = |text| check(&super::super::manifest(text), &Limits::default()).len();
        assert_eq!(check("[limits]\ntimeout = \"30s\"\nmemory = \"128MiB\""), 0);
        assert_eq!(
            check("[limits]\ntimeout = \"30.1s\"\nmemory = \"129MiB\""),
            2
        );
        assert_eq!(check("[limits]\ntimeout = \"0s\""), 1);
    }
}
