//! Async runs: durable before they are answered, started from their rows, so that they survive a restart.

use super::handlers::whole;
use super::life::{self, Durable, Known, Start};
use super::prepare;
use super::run_view::{answer, view};
use crate::problem::answer::Accepted;
use crate::problem::{Kind, Problem};
use crate::server::edge::turns::{self, Length};
use crate::server::edge::unsent::showing::Shown;
use crate::server::state::Shared;
use crate::server::state::slots::First;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tollgate_fair::Part;
use tollgate_runtime::Run;
use tollgate_store::{
    Claimed, Hold, KeptAnswer, KeptBody, NewRun, OrgId, RunRecord, RunStatus, Time,
};

/// How often the queue is looked at where nobody says that something was queued.
const LOOK: Duration = Duration::from_secs(1);

/// Runs that may wait; an org takes at most half of the queue.
const QUEUED_MAX: u64 = 2000;

/// Queues a run and answers 202, or with the run's own answer where it has ended within `wait`.
pub(crate) async fn queue(
    server: &Shared,
    run: NewRun,
    input: String,
    hold: Hold,
    first: Option<First>,
    wait: Duration,
) -> Result<Response, Problem> {
    let (owner, id) = (run.owner, run.id);
    let whose = (owner.org, run.session.is_some());
    let deadline = Instant::now() + wait;
    // In a task: a caller that leaves here finds its run, and its answer, when it asks again.
    let queueing = tokio::spawn(queue_durably(Arc::clone(server), run, input, hold, first));
    let accepted = queueing
        .await
        .unwrap_or_else(|_| Err(Problem::of(Kind::Internal)))?;
    while !wait.is_zero() {
        let ended = server.jobs.ended.notified();
        // It is queued, whatever cannot be read now: who does not learn that asks for another.
        let Ok(found) = server.store.run(owner, id).await else {
            break;
        };
        if let Some(found) = found.filter(|found| found.record.finished_at.is_some()) {
            let (record, showing) = whole(server, (owner, whose), found).await?;
            let body = answer(&record);
            return Ok(Shown { body, showing }.into_response());
        }
        if tokio::time::timeout_at(deadline, ended).await.is_err() {
            break;
        }
    }
    Ok(accepted.into_response())
}

async fn queue_durably(
    server: Shared,
    run: NewRun,
    input: String,
    hold: Hold,
    first: Option<First>,
) -> Result<Accepted<Value>, Problem> {
    let location = format!("/v1/runs/{}", run.id);
    let body = json!(view(queued(run.clone())));
    let slot = first.as_ref().map(|first| {
        let kept = KeptAnswer {
            body_sha256: first.body_sha256,
            run: Some(run.id),
            status: Some(202),
            location: Some(location.clone()),
            body: Some(KeptBody::json(body.to_string())),
            is_long: false,
            scope: None,
        };
        (first.slot, kept)
    });
    let queueing = server.store.queue_run(run, input, slot, QUEUED_MAX);
    if !queueing.await? {
        return Err(Problem::of(Kind::AtCapacity));
    }
    // The row has it: a run that is taken up may be so by the next server.
    hold.keep();
    server.jobs.queued.notify_one();
    Ok(Accepted {
        location,
        body,
        preference_applied: true,
    })
}

fn queued(run: NewRun) -> RunRecord {
    RunRecord {
        run,
        status: RunStatus::Queued,
        failure: None,
        usage: None,
        charged: 0,
        output: None,
        cut: Vec::new(),
        started_at: None,
        finished_at: None,
    }
}

/// Starts queued runs until the server drains.
pub(crate) async fn work(server: Shared) {
    while !server.is_draining() {
        match claim(&server).await {
            Ok(Some((claimed, known, slot))) => {
                let server = Arc::clone(&server);
                tokio::spawn(async move { run(&server, claimed, known, slot).await });
            }
            Ok(None) => {
                let _ = tokio::time::timeout(LOOK, server.jobs.queued.notified()).await;
            }
            Err(problem) => {
                tracing::warn!(detail = %problem.detail, "queued runs cannot be read");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

async fn claim(server: &Shared) -> Result<Option<(Claimed, Known, Part<OrgId>)>, Problem> {
    let Some(passed_over) = server.jobs.passed_over() else {
        return Ok(None);
    };
    let _claiming = server.jobs.claiming.lock().await;
    let claimed = server.store.claim_run(&passed_over).await?;
    Ok(claimed.map(|claimed| {
        let slot = server.jobs.take(claimed.run.owner.org);
        let durable = Durable::Claimed(claimed.attempt);
        let known = Known::new(server, claimed.run.clone(), durable);
        (claimed, known, slot)
    }))
}

async fn held(server: &Shared, run: &NewRun, text: String) -> Result<Run, Problem> {
    let (reading, org, function) = (Arc::clone(server), run.owner.org, run.function.clone());
    let text_bytes = text.len();
    let id = run.id;
    let read = move || {
        let input = serde_json::from_str(&text).map_err(|error| {
            tracing::error!(%error, run_id = %id, "a queued run's input cannot be read");
            Problem::of(Kind::Internal)
        })?;
        prepare::held(&reading, org, function.as_deref(), input)
    };
    let turn = (org, turns::Kind::Read);
    server
        .turns
        .work(turn, Length::of_json(text_bytes), read)
        .await?
}

async fn run(server: &Shared, claimed: Claimed, known: Known, slot: Part<OrgId>) {
    let _slot = server.jobs.announced(slot);
    let durable = Durable::Claimed(claimed.attempt);
    let (run, text) = (claimed.run, claimed.input);
    let hold = server.store.take_up_hold(&run);
    let queued = Time::now().since(run.created_at);
    let preparing = async {
        if server.store.is_suspended(&run).await? {
            return Err(Problem::of(Kind::Suspended));
        }
        let held = held(server, &run, text).await?;
        prepare::prepare(server, &run, held).await
    };
    let prepared = tokio::select! {
        biased;
        _ = known.live.stopped() => None,
        prepared = preparing => Some(prepared),
    };
    match prepared.filter(|_| known.live.stop_reason().is_none()) {
        None => {
            let end = life::cancel(server, run, hold, durable).await;
            known.live.end(end);
        }
        Some(Ok((prepared, load))) => {
            let start = Start {
                run,
                prepared,
                hold,
                queued,
                load,
                durable,
                under_way: None,
            };
            life::start(known, start).await;
        }
        Some(Err(problem)) => {
            if problem.kind() == Kind::AtCapacity {
                tokio::time::sleep(LOOK).await;
            }
            let end = life::take_back(server, run, hold, durable, problem).await;
            known.live.end(end);
        }
    }
}
