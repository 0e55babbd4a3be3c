//! The gate's queue: drafts are judged in the background, one at a time for each org, in turns.

use super::state::{Server, Shared};
use crate::about::about;
use serde_json::json;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tollgate_store::{ArtifactId, OrgId, StoreError, Time, VerdictRecord, VerdictStatus};
use tollgate_validator::{Verdict, validate_for};

/// Violations kept of a verdict.
const VIOLATIONS_KEPT: usize = 1000;

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
    busy: HashSet<OrgId>,
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
            .position(|org| !waiting.busy.contains(org))?;
        let org = waiting.turns.remove(turn)?;
        let queue = waiting.drafts.get_mut(&org)?;
        let artifact = queue.pop_front();
        if queue.is_empty() {
            waiting.drafts.remove(&org);
        } else {
            waiting.turns.push_back(org);
        }
        waiting.busy.insert(org);
        artifact.map(|artifact| (org, artifact))
    }

    fn done(&self, org: OrgId) {
        self.lock().busy.remove(&org);
        self.changed.notify_one();
    }
}

/// Judges what is asked for, as one of a few, until the server ends. What was asked of a server that died is asked
/// again at its next start.
pub(crate) async fn judge(server: Shared) {
    loop {
        let Some((org, artifact)) = server.gate.next() else {
            server.gate.changed.notified().await;
            continue;
        };
        // Another judge may take what else there is.
        server.gate.changed.notify_one();
        let judging = Arc::clone(&server);
        // In a task: a fault of ours must not end the judge.
        let judged = tokio::spawn(async move { judge_one(&judging, org, artifact).await }).await;
        let error = match judged {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = error {
            tracing::error!(error, %artifact, "a draft could not be judged; it is judged when it is asked for again");
        }
        server.gate.done(org);
    }
}

async fn judge_one(server: &Server, org: OrgId, id: ArtifactId) -> Result<(), StoreError> {
    let Some(draft) = server
        .store
        .artifact(id)
        .await?
        .and_then(|artifact| artifact.draft.clone())
    else {
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
