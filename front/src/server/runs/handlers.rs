//! Runs: start, look, list, cancel, logs; and failures, for sellers.

use super::admission::{self, Call};
use super::request::RunRequest;
use super::run_view::{FailureRow, RunView, Succeeded, failure_row, view};
use super::source;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::{Caller, KeyOrSession};
use crate::server::access::visible;
use crate::server::edge::params::{List, Paging, Params, Segment, bad_query, id};
use crate::server::edge::turns::{self, Length};
use crate::server::edge::unsent::showing::{Showing, Shown};
use crate::server::money::offer::Of;
use crate::server::state::live::{LiveRun, RunEnd};
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use tollgate_store::{
    ArtifactId, FinishStatus, FoundRun, OrgId, Owner, RunFilter, RunId, RunRecord, RunStatus, Scope,
};
use utoipa::{IntoParams, ToSchema};

/// Runs an artifact's active release. With `Prefer: respond-async` the answer is 202 and the run is polled; with an
/// `Idempotency-Key` a repeated request gets the first one's answer.
#[utoipa::path(post, path = "/v1/artifacts/{id}/run", tag = "runs",
    params(("id" = String, Path), ("Prefer" = Option<String>, Header, example = "respond-async, wait=5"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body(content = RunRequest, example = json!({"input": {"markdown": "# Hello"}})),
    responses((status = 200, body = Succeeded),
        (status = 202, body = RunView, headers(("Location" = String, description = "The run."),
            ("Preference-Applied" = String, description = "`respond-async`")))))]
pub(crate) async fn run(
    State(server): State<Shared>,
    Segment(artifact): Segment,
    request: Request,
) -> Result<Response, Problem> {
    // Boxed here: the framework moves a handler's future several times.
    Box::pin(admission::run(
        &server,
        call(artifact, Of::ActiveRelease, request),
    ))
    .await
}

/// Runs an admitted draft, for its own project, at no price.
#[utoipa::path(post, path = "/v1/artifacts/{id}/draft/run", tag = "drafts",
    params(("id" = String, Path), ("Prefer" = Option<String>, Header, example = "respond-async, wait=5"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255)),
    request_body(content = RunRequest, example = json!({"input": {"markdown": "# Hello"}})),
    responses((status = 200, body = Succeeded),
        (status = 202, body = RunView, headers(("Location" = String, description = "The run."),
            ("Preference-Applied" = String, description = "`respond-async`")))))]
pub(crate) async fn run_draft(
    State(server): State<Shared>,
    Segment(artifact): Segment,
    request: Request,
) -> Result<Response, Problem> {
    Box::pin(admission::run(&server, call(artifact, Of::Draft, request))).await
}

fn call(artifact: String, of: Of, request: Request) -> Call {
    let (parts, body) = request.into_parts();
    Call {
        artifact,
        of,
        parts,
        body,
    }
}

/// Which runs are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunsQuery {
    artifact_id: Option<String>,
    /// `QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `CANCELLED`.
    status: Option<String>,
    /// The caller's own name for the run.
    external_id: Option<String>,
    /// Items, 1 to 100; 20 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The number of attempts to cancel a run that goes back to the queue meanwhile.
const CANCELLED_IN: usize = 3;

/// Lists the project's recorded runs, newest first; with a session's token, the session's. A run that is neither async nor has an idempotency key is
/// recorded when it ends; until then it is found by its id.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunsQuery),
    responses((status = 200, body = List<RunView>)))]
pub(crate) async fn list_runs(
    State(server): State<Shared>,
    KeyOrSession(caller): KeyOrSession,
    Params(query): Params<RunsQuery>,
) -> Result<Shown<Json<List<RunView>>>, Problem> {
    caller.may_read_runs()?;
    let paging = Paging::new(query.limit, query.cursor);
    let (before, limit) = (paging.before()?, paging.limit()?);
    let status = query.status.as_deref().map(str::parse::<RunStatus>);
    let status = status.transpose().map_err(|_| {
        let names = RunStatus::ALL.map(RunStatus::name);
        bad_query(format!("status must be one of {}", names.join(", ")))
    })?;
    let artifact = query
        .artifact_id
        .as_deref()
        .map(str::parse::<ArtifactId>)
        .transpose();
    let filter = RunFilter {
        artifact: artifact.map_err(|_| bad_query("artifact_id is not an artifact's id"))?,
        status,
        external_id: query.external_id,
        session: caller.session_id(),
    };
    let showing = Some(server.showing(caller.whose()).await?);
    let page = server
        .store
        .runs(caller.owner(), filter, before, limit)
        .await?;
    let body = Json(List::of(page, view));
    Ok(Shown { body, showing })
}

/// Whether backtraces are turned into files and lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceQuery {
    /// Adds file and line to a backtrace, where the tool carries them and is the caller's own.
    #[serde(default)]
    #[param(required = false)]
    source: bool,
}

/// A run of the project, or of the session whose token asks, under way or recorded.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", params(("id" = String, Path), SourceQuery),
    responses((status = 200, body = RunView)))]
pub(crate) async fn get_run(
    State(server): State<Shared>,
    KeyOrSession(caller): KeyOrSession,
    Segment(run): Segment,
    Params(query): Params<SourceQuery>,
) -> Result<Shown<Response>, Problem> {
    let found = found(&server, &caller, &run).await?;
    caller.may_read_runs()?;
    let (mut record, showing) = whole(&server, (caller.owner(), caller.whose()), found).await?;
    if query.source && record.run.is_own {
        let org = caller.key.owner.org;
        source::resolve(&server, org, std::slice::from_mut(&mut record)).await?;
    }
    let body = match showing {
        None => Json(view(record)).into_response(),
        // Parsing a mebibyte of JSON takes milliseconds.
        Some(_) => {
            let turn = (caller.key.owner.org, turns::Kind::Read);
            let written = move || serde_json::to_vec(&view(record));
            let written = server.turns.work(turn, Length::Long, written).await?;
            let written = written.map_err(|_| Problem::of(Kind::Internal))?;
            ([(CONTENT_TYPE, "application/json")], written).into_response()
        }
    };
    Ok(Shown { body, showing })
}

/// A run that the caller may see. A long run comes without its failure and output.
pub(crate) async fn find(
    server: &Server,
    caller: &Caller,
    run: &str,
) -> Result<RunRecord, Problem> {
    Ok(found(server, caller, run).await?.record)
}

async fn found(server: &Server, caller: &Caller, run: &str) -> Result<FoundRun, Problem> {
    let run: RunId = id(run, Kind::RunNotFound)?;
    if let Some(live) = server.live.get(run)
        && caller.asked_for(&live.run)
    {
        return Ok(FoundRun {
            record: live.record(),
            is_long: false,
        });
    }
    let found = server.store.run(caller.owner(), run).await?;
    let found = found.filter(|found| caller.asked_for(&found.record.run));
    found.ok_or_else(|| Problem::of(Kind::RunNotFound))
}

/// The run with its failure and output. A long one is read in the org's turn for long answers.
pub(crate) async fn whole(
    server: &Server,
    (owner, whose): (Owner, (OrgId, bool)),
    found: FoundRun,
) -> Result<(RunRecord, Option<Showing>), Problem> {
    if !found.is_long {
        return Ok((found.record, None));
    }
    let showing = server.showing(whose).await?;
    let id = found.record.run.id;
    let record = server.store.whole_run(owner, id).await?;
    // Retention may have deleted it meanwhile.
    let record = record.ok_or_else(|| Problem::of(Kind::RunNotFound))?;
    Ok((record, Some(showing)))
}

/// Cancels a run that is queued or under way; nothing is charged.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = RunView)))]
pub(crate) async fn cancel_run(
    State(server): State<Shared>,
    caller: Caller,
    Segment(run): Segment,
) -> Result<Json<RunView>, Problem> {
    let found = find(&server, &caller, &run).await?;
    caller.needs(Scope::Run)?;
    let id = found.run.id;
    let not_running = || Problem::of(Kind::RunNotRunning).with_run(id);
    for _ in 0..CANCELLED_IN {
        let live = match server.live.get(id) {
            Some(live) => live,
            None if server.store.cancel_queued(caller.owner(), id).await? => {
                return Ok(Json(view(find(&server, &caller, &run).await?)));
            }
            None => under_way(&server, id).await.ok_or_else(not_running)?,
        };
        live.cancel();
        match live.ended().await {
            RunEnd::Recorded(record)
                if record.status == RunStatus::Ended(FinishStatus::Cancelled) =>
            {
                return Ok(Json(view(RunRecord::clone(&record))));
            }
            RunEnd::Recorded(_) => return Err(not_running()),
            // The run was being put back into the queue.
            RunEnd::Refused(problem) if problem.kind() == Kind::AtCapacity => {}
            RunEnd::Refused(problem) => return Err(*problem),
        }
    }
    Err(Problem::of(Kind::AtCapacity).with_run(id))
}

/// The run, if it is in progress. Waits for a claim that is in progress.
pub(crate) async fn under_way(server: &Server, id: RunId) -> Option<Arc<LiveRun>> {
    if let Some(live) = server.live.get(id) {
        return Some(live);
    }
    let _claiming = server.jobs.claiming.lock().await;
    server.live.get(id)
}

/// A line that a tool wrote for people.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogLineView {
    #[schema(format = DateTime)]
    at: String,
    /// `stdout` or `stderr`.
    stream: String,
    text: String,
    /// The log ends here although the tool wrote more.
    cut: Option<bool>,
}

/// The lines a run's tool wrote for people, once the run has ended.
#[utoipa::path(get, path = "/v1/runs/{id}/logs", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = List<LogLineView>)))]
pub(crate) async fn run_logs(
    State(server): State<Shared>,
    KeyOrSession(caller): KeyOrSession,
    Segment(run): Segment,
) -> Result<Shown<Json<Lines>>, Problem> {
    let record = find(&server, &caller, &run).await?;
    caller.may_read_runs()?;
    let showing = Some(server.showing(caller.whose()).await?);
    let lines = server
        .store
        .run_logs(caller.key.owner.org, record.run.id)
        .await?;
    let lines = lines.unwrap_or_else(|| "[]".to_owned());
    let (turn, length) = (
        (caller.key.owner.org, turns::Kind::Read),
        Length::of_json(lines.len()),
    );
    let items = server
        .turns
        .work(turn, length, move || RawValue::from_string(lines));
    let items = items.await?.map_err(|error| {
        tracing::error!(%error, run_id = %record.run.id, "kept log lines are not JSON");
        Problem::of(Kind::Internal)
    })?;
    let body = Json(Lines {
        items,
        next_cursor: None,
    });
    Ok(Shown { body, showing })
}

/// A [`List`] of log lines. They are sent as they were kept: reading and writing a mebibyte takes milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Lines {
    items: Box<RawValue>,
    next_cursor: Option<String>,
}

/// Which failures are listed, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailuresQuery {
    /// Adds file and line to backtraces, where the tool carries them.
    #[serde(default)]
    #[param(required = false)]
    source: bool,
    /// Items, 1 to 100; 20 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists failed and timed-out runs of the project's artifact, whoever asked for them; newest first.
#[utoipa::path(get, path = "/v1/artifacts/{id}/failures", tag = "artifacts",
    params(("id" = String, Path), FailuresQuery), responses((status = 200, body = List<FailureRow>)))]
pub(crate) async fn list_failures(
    State(server): State<Shared>,
    caller: Caller,
    Segment(artifact): Segment,
    Params(query): Params<FailuresQuery>,
) -> Result<Shown<Json<List<FailureRow>>>, Problem> {
    let artifact = visible::own(&server, &caller, &artifact).await?;
    caller.needs(Scope::Publish)?;
    let paging = Paging::new(query.limit, query.cursor);
    let (before, limit) = (paging.before()?, paging.limit()?);
    let showing = Some(server.showing(caller.whose()).await?);
    let mut page = server
        .store
        .failures((caller.key.owner.org, artifact.id), before, limit)
        .await?;
    if query.source {
        source::resolve(&server, caller.key.owner.org, &mut page.items).await?;
    }
    let body = Json(List::of(page, failure_row));
    Ok(Shown { body, showing })
}
