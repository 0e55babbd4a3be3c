//! What strangers upload: each gets its verdict with code and place, soon, and nothing crashes.

mod bombs;
mod debug_sections;
mod foreign;
mod lists;
mod manifests;
mod names;
mod together;
mod types;

use crate::crowds::Canary;
use std::time::{Duration, Instant};
use tollgate_runtime::{Place, Violation};
use tollgate_tests::runtime;
use tollgate_validator::{Verdict, validate};

async fn judged(bytes: &[u8]) -> Verdict {
    validate(runtime(), bytes).await
}

/// The violations of a file that must not be admitted.
async fn violations(label: &str, bytes: &[u8]) -> Vec<Violation> {
    reasons(label, judged(bytes).await)
}

/// The verdict of a file, judged in time beside a neighbour who waits for nothing of it.
async fn judged_beside_a_neighbour(label: &str, time: Duration, bytes: Vec<u8>) -> Verdict {
    let canary = Canary::new(runtime()).await;
    let judging = tokio::spawn(async move { judged(&bytes).await });
    let verdict = within(label, time, judging).await.expect("judged");
    canary.survives(label).await;
    verdict
}

/// The violations of one that must not be admitted, likewise.
async fn violations_beside_a_neighbour(
    label: &str,
    time: Duration,
    bytes: Vec<u8>,
) -> Vec<Violation> {
    reasons(label, judged_beside_a_neighbour(label, time, bytes).await)
}

/// Why a file is not admitted.
fn reasons(label: &str, verdict: Verdict) -> Vec<Violation> {
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
