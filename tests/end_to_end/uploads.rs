//! What strangers upload: each gets its verdict with code and place, soon, and nothing crashes.

mod bombs;
mod foreign;
mod lists;
mod manifests;
mod types;

use std::time::{Duration, Instant};
use tollgate_runtime::{Place, Violation};
use tollgate_tests::runtime;
use tollgate_validator::{Verdict, validate};

async fn judged(bytes: &[u8]) -> Verdict {
    validate(runtime(), bytes).await
}

/// The violations of a file that must not be admitted.
async fn violations(label: &str, bytes: &[u8]) -> Vec<Violation> {
    let verdict = judged(bytes).await;
    assert!(!verdict.is_admitted(), "{label} is admitted");
    assert!(
        !verdict.violations.is_empty(),
        "{label} is rejected without a reason"
    );
    verdict.violations
}

fn has_code(violations: &[Violation], code: &str) -> bool {
    violations.iter().any(|violation| violation.code == code)
}

fn has_place(place: &Place) -> bool {
    place.offset.is_some() || place.line.is_some() || place.pointer.is_some()
}

async fn within<T>(label: &str, time: Duration, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let done = work.await;
    let taken = started.elapsed();
    assert!(taken < time, "{label} took {taken:?}");
    done
}
