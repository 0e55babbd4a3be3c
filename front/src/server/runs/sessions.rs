//! Sessions: what a key lets somebody else do for a while. Their token is in the first answer only.

use super::run_view::{RunView, view as run_view};
use crate::problem::answer::{Created, NoContent};
use crate::problem::unprocessable;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::{Caller, KeyOrSession};
use crate::server::access::visible;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, Segment, id};
use crate::server::edge::unsent::showing::Shown;
use crate::server::money::wallet::TOKENS_MAX;
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;
use tollgate_runtime::quoted;
use tollgate_store::{ArtifactId, NewSession, RunFilter, Scope, Session, SessionId, SessionMade};
use utoipa::ToSchema;

/// Each is looked up when the session is made, and compared with at every run.
const ARTIFACTS_MAX: usize = 100;
const RUNS: RangeInclusive<u64> = 1..=1_000_000;
/// Up to a week: a token cannot be told from one that was stolen, what needs longer is a key.
const SECONDS: RangeInclusive<u64> = 1..=7 * 24 * 60 * 60;

/// A session to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct SessionRequest {
    /// What it may run: 1 to 100 of the project's own artifacts, or of others' that were published.
    #[schema(min_items = 1, max_items = 100, example = json!(["art_06bqk8m0000000000000000000"]))]
    artifacts: Vec<String>,
    /// Tokens that its runs may cost together.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_000_u64, example = 100)]
    cap: u64,
    /// Runs that it may start, those that fail too.
    #[schema(minimum = 1, maximum = 1_000_000, example = 20)]
    runs: u64,
    /// How long its token is good, in seconds, at most a week.
    #[schema(minimum = 1, maximum = 604_800, example = 3600)]
    ttl_s: u64,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    #[schema(example = "ses_06bqk8m0000000000000000000")]
    id: String,
    /// What it may run.
    artifacts: Vec<String>,
    /// Tokens that its runs may cost together.
    cap: u64,
    /// What was charged and what is held.
    spent: u64,
    /// Runs that it may start.
    runs: u64,
    /// Runs that were started, and those that are queued.
    runs_used: u64,
    #[schema(format = DateTime)]
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// Its token, in the answer that makes it only.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Makes a session. Its token, sent like a key, runs its artifacts and reads its own runs, nothing else; the runs are the
/// calling key's, within the project's budgets.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = SessionRequest,
    responses((status = 201, body = SessionView, headers(("Location" = String, description = "The session.")))))]
pub(crate) async fn create_session(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Created<SessionView>, Problem> {
    caller.needs(Scope::Run)?;
    let request: SessionRequest = sent.json(&server.bodies, caller.key.owner.org).await?;
    check_bounds(&request)?;
    let new = NewSession {
        key: caller.key.key,
        key_sha256: caller.key.text_sha256,
        artifacts: artifacts(&server, &caller, &request.artifacts).await?,
        cap: request.cap,
        runs_max: request.runs,
        lasts: Duration::from_secs(request.ttl_s),
    };
    let made = server.store.create_session(caller.owner(), new).await?;
    Ok(Created {
        location: format!("/v1/sessions/{}", made.session.id),
        body: made_view(made),
    })
}

fn check_bounds(request: &SessionRequest) -> Result<(), Problem> {
    let sent = request.artifacts.len();
    if !(1..=ARTIFACTS_MAX).contains(&sent) {
        let message = format!("a session is for 1 to {ARTIFACTS_MAX} artifacts; here are {sent}");
        return Err(unprocessable(
            "artifacts_invalid",
            message,
            Some("/artifacts"),
        ));
    }
    if request.cap > TOKENS_MAX {
        let message = format!("a cap is at most {TOKENS_MAX} tokens");
        return Err(unprocessable("cap_invalid", message, Some("/cap")));
    }
    if !RUNS.contains(&request.runs) {
        let message = format!("runs is {} to {}", RUNS.start(), RUNS.end());
        return Err(unprocessable("runs_invalid", message, Some("/runs")));
    }
    if !SECONDS.contains(&request.ttl_s) {
        let message = format!("ttl_s is {} to {}", SECONDS.start(), SECONDS.end());
        return Err(unprocessable("ttl_invalid", message, Some("/ttl_s")));
    }
    Ok(())
}

/// Those that the caller may know of; which of the others are there is not told.
async fn artifacts(
    server: &Server,
    caller: &Caller,
    sent: &[String],
) -> Result<Vec<ArtifactId>, Problem> {
    let mut found = Vec::with_capacity(sent.len());
    for (place, artifact) in sent.iter().enumerate() {
        let pointer = format!("/artifacts/{place}");
        let refused = |code, what: &str| {
            let message = format!("`{}` is {what}", quoted(artifact));
            unprocessable(code, message, Some(&pointer))
        };
        let visible = visible::own_or_published(server, caller, artifact).await;
        match visible {
            Ok(artifact) if found.contains(&artifact.id) => {
                return Err(refused("artifact_repeated", "there already"));
            }
            Ok(artifact) => found.push(artifact.id),
            Err(problem) if problem.kind() == Kind::ArtifactNotFound => {
                return Err(refused("artifact_unknown", "no artifact that you may run"));
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(found)
}

/// A session of the project.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionView)))]
pub(crate) async fn get_session(
    State(server): State<Shared>,
    caller: Caller,
    Segment(session): Segment,
) -> Result<Json<SessionView>, Problem> {
    let session = id(&session, Kind::SessionNotFound)?;
    caller.needs(Scope::Run)?;
    find(&server, &caller, session).await.map(view).map(Json)
}

/// Lists a session's recorded runs, newest first; its own token may, too.
#[utoipa::path(get, path = "/v1/sessions/{id}/runs", tag = "sessions", params(("id" = String, Path), Paging),
    responses((status = 200, body = List<RunView>)))]
pub(crate) async fn session_runs(
    State(server): State<Shared>,
    KeyOrSession(caller): KeyOrSession,
    Segment(session): Segment,
    Params(paging): Params<Paging>,
) -> Result<Shown<Json<List<RunView>>>, Problem> {
    // A token learns of no session but its own, not even that there is none.
    let session: Result<SessionId, _> = id(&session, Kind::SessionNotFound);
    if caller.session_id() != session.as_ref().ok().copied() {
        caller.has_key()?;
    }
    let session = session?;
    caller.may_read_runs()?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    find(&server, &caller, session).await?;
    let filter = RunFilter {
        session: Some(session),
        ..RunFilter::default()
    };
    let showing = Some(server.showing(caller.whose()).await?);
    let page = server.store.runs(caller.owner(), filter, before, limit);
    let body = Json(List::of(page.await?, run_view));
    Ok(Shown { body, showing })
}

/// Takes a session back: the next call with its token is refused. What it queued runs on, it was let in.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn revoke_session(
    State(server): State<Shared>,
    caller: Caller,
    Segment(session): Segment,
) -> Result<NoContent, Problem> {
    let session = id(&session, Kind::SessionNotFound)?;
    caller.needs(Scope::Run)?;
    let revoked = server.store.revoke_session(caller.owner(), session);
    match revoked.await? {
        true => Ok(NoContent),
        false => Err(Problem::of(Kind::SessionNotFound)),
    }
}

async fn find(server: &Server, caller: &Caller, session: SessionId) -> Result<Session, Problem> {
    let found = server.store.session(caller.owner(), session).await?;
    found.ok_or_else(|| Problem::of(Kind::SessionNotFound))
}

fn made_view(made: SessionMade) -> SessionView {
    SessionView {
        token: Some(made.token),
        ..view(made.session)
    }
}

fn view(session: Session) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        artifacts: session.artifacts.iter().map(ToString::to_string).collect(),
        cap: session.cap,
        spent: session.spent,
        runs: session.runs_max,
        runs_used: session.runs_used,
        expires_at: session.expires_at.to_string(),
        revoked_at: session.revoked_at.map(|it| it.to_string()),
        token: None,
    }
}
