//! Judges drafts in the background.

use crate::about::about;
use crate::server::state::{Server, Shared};
use serde_json::json;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinHandle};
use tollgate_runtime::Violation;
use tollgate_store::{ArtifactId, Draft, OrgId, StoreError, Time, VerdictRecord, VerdictStatus};
use tollgate_validator::{Verdict, validate_for};

/// Violations kept of a verdict.
const VIOLATIONS_KEPT: usize = 1000;

/// How often a draft's judging is begun before the draft is rejected.
const JUDGINGS_MAX: u32 = 2;
/// The longest a judging may take. Each of its parts has a limit of its own, but for the wait at the compiler.
const JUDGING_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// When a draft is asked for again whose judging the database refused.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long the gate waits until it looks again whether the database takes writes.
const PAUSE: Duration = Duration::from_millis(200);

/// Judges what is asked for, as one of a few, until the server ends. A draft whose judging was cut short by the end of
/// the server is judged again by the next one, once.
pub(crate) async fn judge(server: Shared) {
    loop {
        let Some((org, artifact)) = server.gate.next() else {
            server.gate.changed.notified().await;
            continue;
        };
        while server.store.refuses_writes() && !server.is_draining() {
            tokio::time::sleep(PAUSE).await;
        }
        if server.is_draining() {
            // It is pending, and the next server begins with it.
            return;
        }
        // Another judge may take what else there is.
        server.gate.changed.notify_one();
        let mut overdue = Vec::new();
        if let Err(error) = judge_safely(&server, (org, artifact), &mut overdue).await {
            tracing::error!(error, %artifact, "a draft could not be judged");
        }
        let server = Arc::clone(&server);
        // A thread cannot be stopped. The org's next draft waits until the thread ends; this worker takes other orgs' drafts.
        tokio::spawn(async move {
            for judging in overdue {
                let _ = judging.await;
            }
            server.gate.done(org);
        });
    }
}

type Judging = JoinHandle<Result<(), StoreError>>;

/// The end of one attempt to judge a draft.
enum Ended {
    Judged,
    /// The store failed. The draft is not at fault.
    Failed(StoreError),
    Panicked(JoinError),
    /// The time limit passed, and the attempt is still running.
    Overdue(Judging),
}

impl Ended {
    async fn within(limit: Duration, mut judging: Judging) -> Self {
        match tokio::time::timeout(limit, &mut judging).await {
            Ok(Ok(Ok(()))) => Ended::Judged,
            Ok(Ok(Err(error))) => Ended::Failed(error),
            Ok(Err(panicked)) => Ended::Panicked(panicked),
            Err(_) => Ended::Overdue(judging),
        }
    }
}

/// Judges a draft. An attempt that panics or times out is repeated once; then the draft is rejected. Attempts that timed out
/// are added to `overdue`.
async fn judge_safely(
    server: &Shared,
    (org, artifact): (OrgId, ArtifactId),
    overdue: &mut Vec<Judging>,
) -> Result<(), String> {
    let of = (org, artifact);
    loop {
        let begun = server.store.begin_judging(of).await;
        let begun = begun.map_err(|error| again_where_refused(server, of, &error))?;
        let Some(begun) = begun else {
            return Ok(());
        };
        if begun > JUDGINGS_MAX {
            let rejected = reject(server, org, artifact).await;
            return rejected.map_err(|error| again_where_refused(server, of, &error));
        }
        let one = Arc::clone(server);
        // A task isolates this worker from a panic.
        let judging = tokio::spawn(async move { judge_one(&one, org, artifact).await });
        match Ended::within(JUDGING_TIME_MAX, judging).await {
            Ended::Judged => return Ok(()),
            // If the store still takes writes, the draft stays pending until its next validation request or the next start.
            Ended::Failed(error) => {
                let broken_off = server.store.break_off_judging(of).await;
                let said = again_where_refused(server, of, &error);
                return Err(match broken_off {
                    Ok(()) => said,
                    Err(again) => format!("{said}; {again}"),
                });
            }
            Ended::Panicked(panicked) => {
                tracing::error!(%panicked, %artifact, "judging a draft panicked");
            }
            Ended::Overdue(judging) => {
                tracing::error!(%artifact, "judging a draft took more than {JUDGING_TIME_MAX:?}");
                overdue.push(judging);
            }
        }
    }
}

/// Says what an error is. Where the same may work later, the draft waits for its turn again after a while.
fn again_where_refused(
    server: &Shared,
    (org, artifact): (OrgId, ArtifactId),
    error: &StoreError,
) -> String {
    if error.is_refusing() {
        let server = Arc::clone(server);
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            server.gate.ask(org, artifact);
        });
    }
    error.to_string()
}

/// Rejects a draft whose judging never came to its end.
async fn reject(server: &Server, org: OrgId, id: ArtifactId) -> Result<(), StoreError> {
    let Some(draft) = draft(server, id).await? else {
        return Ok(());
    };
    let message = format!(
        "the checks were begun {JUDGINGS_MAX} times and did not come to their end; simplify the tool (fewer and smaller examples, schemas and types) and upload it again"
    );
    let violation = Violation::new("check_failed", message);
    let log = format!("{} violation: {violation}\n", Time::now());
    let record = VerdictRecord {
        status: VerdictStatus::Rejected,
        violations: json!([violation]),
        notes: json!([]),
        about: None,
        version: None,
    };
    tracing::error!(artifact = %id, digest = %draft.digest, "a draft is rejected: judging it never ended");
    let of = (org, id);
    server
        .store
        .record_verdict(of, draft.digest, record, log)
        .await?;
    Ok(())
}

async fn draft(server: &Server, id: ArtifactId) -> Result<Option<Draft>, StoreError> {
    let artifact = server.store.artifact(id).await?;
    Ok(artifact.and_then(|artifact| artifact.draft.clone()))
}

/// Takes back what a server that ends on purpose has begun to judge.
pub(crate) async fn break_off(server: &Server) {
    for of in server.gate.being_judged() {
        if let Err(error) = server.store.break_off_judging(of).await {
            tracing::warn!(%error, "a judging that is broken off counts as begun");
        }
    }
}

async fn judge_one(server: &Server, org: OrgId, id: ArtifactId) -> Result<(), StoreError> {
    let Some(draft) = draft(server, id).await? else {
        return Ok(());
    };
    let started = Instant::now();
    let wasm = server.store.tool(&draft.digest).await?;
    let wasm_bytes = wasm.len();
    let verdict = validate_for(&server.runtime, &org.to_string(), wasm).await;
    // A tool's description can have megabytes of JSON.
    let recording = tokio::task::spawn_blocking(move || (record(&verdict), verdict));
    let recorded = recording.await;
    let (record, verdict) = recorded.map_err(|error| StoreError::Failed(error.into()))?;
    let mut log = format!(
        "{} received {} bytes, {}\n",
        Time::now(),
        wasm_bytes,
        draft.digest
    );
    let _ = writeln!(
        log,
        "{} judged in {} ms",
        Time::now(),
        started.elapsed().as_millis()
    );
    for (label, said) in [("violation", &verdict.violations), ("note", &verdict.notes)] {
        for violation in said.iter().take(VIOLATIONS_KEPT) {
            let _ = writeln!(log, "{} {label}: {violation}", Time::now());
        }
    }
    let _ = writeln!(log, "{} {}", Time::now(), record.status.name());
    metrics::counter!("tollgate_validations_total", "verdict" => record.status.name()).increment(1);
    server
        .store
        .record_verdict((org, id), draft.digest, record, log)
        .await?;
    Ok(())
}

fn record(verdict: &Verdict) -> VerdictRecord {
    let violations = &verdict.violations[..verdict.violations.len().min(VIOLATIONS_KEPT)];
    let manifest = verdict.tool.as_ref().and_then(|tool| tool.manifest());
    VerdictRecord {
        status: match verdict.is_admitted() {
            true => VerdictStatus::Admitted,
            false => VerdictStatus::Rejected,
        },
        violations: json!(violations),
        notes: json!(verdict.notes),
        about: verdict
            .tool
            .as_ref()
            .map(|tool| about(tool.interface(), manifest)),
        version: manifest
            .and_then(|it| it.version.as_ref())
            .map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A blocking thread outlives its timeout, so the caller keeps the handle until the thread ends.
    #[tokio::test]
    async fn an_overdue_judging_is_kept_until_its_thread_ends() {
        let (release, held) = mpsc::channel::<()>();
        let judging = tokio::spawn(async move {
            let thread = tokio::task::spawn_blocking(move || held.recv().is_err());
            assert!(thread.await.expect("no panic"));
            Ok(())
        });
        let Ended::Overdue(judging) = Ended::within(Duration::from_millis(20), judging).await
        else {
            panic!("it has not ended");
        };
        assert!(!judging.is_finished());
        drop(release);
        let again = Ended::within(Duration::from_secs(30), judging).await;
        assert!(matches!(again, Ended::Judged));
    }
}
