//! The gate's queue: drafts are judged in the background, one at a time for each org, in turns.

use super::state::{Server, Shared};
use crate::about::about;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
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

/// What waits to be judged.
#[derive(Default)]
pub(crate) struct Gate {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Whose turn is next.
    turns: VecDeque<OrgId>,
    drafts: HashMap<OrgId, VecDeque<ArtifactId>>,
    /// Orgs of which a draft is being judged.
    busy: HashMap<OrgId, ArtifactId>,
}

impl Gate {
    /// Adds a draft to its org's queue.
    pub(crate) fn ask(&self, org: OrgId, artifact: ArtifactId) {
        let mut waiting = self.lock();
        let queue = waiting.drafts.entry(org).or_default();
        if queue.contains(&artifact) {
            return;
        }
        queue.push_back(artifact);
        if !waiting.turns.contains(&org) {
            waiting.turns.push_back(org);
        }
        drop(waiting);
        self.changed.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next draft of an org that has none being judged.
    fn next(&self) -> Option<(OrgId, ArtifactId)> {
        let mut waiting = self.lock();
        let turn = waiting
            .turns
            .iter()
            .position(|org| !waiting.busy.contains_key(org))?;
        let org = waiting.turns.remove(turn)?;
        let queue = waiting.drafts.get_mut(&org)?;
        let artifact = queue.pop_front();
        if queue.is_empty() {
            waiting.drafts.remove(&org);
        } else {
            waiting.turns.push_back(org);
        }
        let artifact = artifact?;
        waiting.busy.insert(org, artifact);
        Some((org, artifact))
    }

    fn being_judged(&self) -> Vec<(OrgId, ArtifactId)> {
        let waiting = self.lock();
        waiting.busy.iter().map(|(org, id)| (*org, *id)).collect()
    }

    fn done(&self, org: OrgId) {
        self.lock().busy.remove(&org);
        self.changed.notify_one();
    }
}

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
        if let Err(error) = judge_safely(&server, org, artifact).await {
            tracing::error!(error, %artifact, "a draft could not be judged");
        }
        server.gate.done(org);
    }
}

/// Judges a draft. If that panics or takes too long, the draft waits for its turn again; the second time it is rejected.
async fn judge_safely(server: &Shared, org: OrgId, artifact: ArtifactId) -> Result<(), String> {
    let begun = server.store.begin_judging((org, artifact)).await;
    let begun = begun.map_err(|error| again_where_refused(server, (org, artifact), &error))?;
    let Some(begun) = begun else {
        return Ok(());
    };
    if begun > JUDGINGS_MAX {
        let rejected = reject(server, org, artifact).await;
        return rejected.map_err(|error| again_where_refused(server, (org, artifact), &error));
    }
    let judging = Arc::clone(server);
    // In a task: a fault of ours must not end the judge.
    let judging = tokio::spawn(async move { judge_one(&judging, org, artifact).await });
    let stop = judging.abort_handle();
    match tokio::time::timeout(JUDGING_TIME_MAX, judging).await {
        Ok(Ok(Ok(()))) => return Ok(()),
        // The store failed, which is not the draft's fault. Unless it refuses all writes, the draft is judged when it is
        // asked for again, or at the next start.
        Ok(Ok(Err(error))) => {
            let broken_off = server.store.break_off_judging((org, artifact)).await;
            let said = again_where_refused(server, (org, artifact), &error);
            return Err(match broken_off {
                Ok(()) => said,
                Err(again) => format!("{said}; {again}"),
            });
        }
        Ok(Err(panicked)) => tracing::error!(%panicked, %artifact, "judging a draft panicked"),
        Err(_) => {
            stop.abort();
            tracing::error!(%artifact, "judging a draft took more than {JUDGING_TIME_MAX:?}");
        }
    }
    server.gate.ask(org, artifact);
    Ok(())
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
    let record = record(&verdict);
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
