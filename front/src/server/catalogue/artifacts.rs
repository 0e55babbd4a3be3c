//! Artifacts and their drafts: upload, look, list, validate.

use super::artifact_view::{self, ArtifactView, DraftView, VerdictView};
use super::upload::{UploadBytes, UploadForm, UploadQuery, receive};
use crate::problem::answer::{Accepted, Created, NoContent};
use crate::problem::quota;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, Segment, bad_query};
use crate::server::edge::turns::{self, Length};
use crate::server::edge::unsent::showing::Shown;
use crate::server::money::offer;
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tollgate_runtime::{Violation, quoted};
use tollgate_store::{Artifact, ArtifactId, DescribedArtifact, Drafted, OrgId, Scope, Upload};
use tollgate_validator::is_tool_name;
use utoipa::{IntoParams, ToSchema};

/// Makes an artifact of a tool's bytes, with its draft. What is no tool at all is refused here; the rest is the
/// verdict's.
#[utoipa::path(post, path = "/v1/artifacts", tag = "artifacts", params(UploadQuery),
    request_body(content((UploadBytes = "application/wasm"), (UploadForm = "multipart/form-data"))),
    responses((status = 201, body = ArtifactView, headers(("Location" = String, description = "The artifact.")))))]
pub(crate) async fn create_artifact(
    State(server): State<Shared>,
    caller: Caller,
    Params(query): Params<UploadQuery>,
    sent: Sent,
) -> Result<Created<ArtifactView>, Problem> {
    caller.needs(Scope::Publish)?;
    let uploaded = receive(&server, caller.key.owner.org, sent, query).await?;
    let name = uploaded.name.ok_or_else(name_missing)?;
    if !is_tool_name(&name) {
        return Err(name_invalid(&name));
    }
    let quota = server.config.quota.quota();
    match server
        .store
        .create_artifact(caller.owner(), name, uploaded.draft, quota)
        .await?
    {
        Upload::Made(id) => {
            let made = visible::own(&server, &caller, &id.to_string()).await?;
            // The gate has not judged it yet.
            let made = DescribedArtifact {
                artifact: Artifact::clone(&made),
                about: None,
                widens: None,
            };
            Ok(Created {
                location: format!("/v1/artifacts/{id}"),
                body: artifact_view::artifact(&made, &caller),
            })
        }
        Upload::NameTaken(id) => Err(Problem::of(Kind::ArtifactExists).with_artifact(id)),
        Upload::OverQuota(over) => Err(quota::over(over)),
    }
}

fn name_missing() -> Problem {
    let message = "the file carries no manifest: name the tool with `?name=`";
    Problem::malformed(Violation::new("name_missing", message))
}

fn name_invalid(name: &str) -> Problem {
    let message = format!(
        "the name `{}` must be 1 to 64 of a-z, 0-9 and `-`, beginning with a letter",
        quoted(name)
    );
    let violation = Violation::new("manifest_invalid", message).at_pointer("/name");
    Problem::malformed(violation)
}

/// Bytes that are searched for.
const SEARCH_BYTES_MAX: usize = 256;

/// Which artifacts are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArtifactsQuery {
    /// Part of a name, or of what the active release says of itself and its functions, in its first 4 KiB.
    #[serde(default)]
    #[param(required = false)]
    q: String,
    /// Only those of the caller's own project.
    #[serde(default)]
    #[param(required = false)]
    mine: bool,
    /// Items, 1 to 100; 20 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists artifacts, newest first: the caller's own and, unless only those are asked for, all that are listed.
#[utoipa::path(get, path = "/v1/artifacts", tag = "artifacts", params(ArtifactsQuery),
    responses((status = 200, body = List<ArtifactView>)))]
pub(crate) async fn list_artifacts(
    State(server): State<Shared>,
    caller: Caller,
    Params(query): Params<ArtifactsQuery>,
) -> Result<Shown<Response>, Problem> {
    if query.q.len() > SEARCH_BYTES_MAX {
        return Err(bad_query(format!(
            "q may have at most {SEARCH_BYTES_MAX} bytes"
        )));
    }
    let paging = Paging::new(query.limit, query.cursor);
    let (before, limit) = (paging.before()?, paging.limit()?);
    let showing = Some(server.showing(caller.whose()).await?);
    let page = server
        .store
        .artifacts(caller.owner(), query.mine, &query.q, before, limit)
        .await?;
    let org = caller.key.owner.org;
    let view = move || List::of(page, |artifact| artifact_view::artifact(&artifact, &caller));
    let body = shown(&server, org, view).await?;
    Ok(Shown { body, showing })
}

/// An artifact.
#[utoipa::path(get, path = "/v1/artifacts/{id}", tag = "artifacts", params(("id" = String, Path)),
    responses((status = 200, body = ArtifactView)))]
pub(crate) async fn get_artifact(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Shown<Response>, Problem> {
    let id = {
        let artifact = visible::own_listed_or_subscribed(&server, &caller, &id).await?;
        artifact.id
    };
    described(&server, caller, id).await
}

/// An artifact with all that it says of itself, read and written in the org's turn for long answers.
async fn described(
    server: &Server,
    caller: Caller,
    id: ArtifactId,
) -> Result<Shown<Response>, Problem> {
    let (org, showing) = (caller.key.owner.org, server.showing(caller.whose()).await?);
    let described = server.store.described_artifact(org, id).await?;
    let described = described.ok_or_else(|| Problem::of(Kind::ArtifactNotFound))?;
    let view = move || artifact_view::artifact(&described, &caller);
    Ok(Shown {
        body: shown(server, org, view).await?,
        showing: Some(showing),
    })
}

/// Sends artifacts as JSON. It can have megabytes, so it is written in the org's turn.
async fn shown<T: Serialize>(
    server: &Server,
    org: OrgId,
    view: impl FnOnce() -> T + Send + 'static,
) -> Result<Response, Problem> {
    let turn = (org, turns::Kind::Read);
    let written = server
        .turns
        .work(turn, Length::Long, move || serde_json::to_vec(&view()));
    let body = written.await?.map_err(|_| Problem::of(Kind::Internal))?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// What of an artifact is changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct ArtifactChange {
    /// Whether other projects see it.
    listed: bool,
}

/// Lists an artifact that was published, or takes it off the catalogue.
#[utoipa::path(patch, path = "/v1/artifacts/{id}", tag = "artifacts", params(("id" = String, Path)),
    request_body = ArtifactChange, responses((status = 200, body = ArtifactView)))]
pub(crate) async fn change_artifact(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Shown<Response>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    let change: ArtifactChange = sent.json(&server.bodies, caller.key.owner.org).await?;
    let place = (caller.key.owner.org, artifact.id);
    if !server.store.set_listed(place, change.listed).await? {
        return Err(Problem::of(Kind::NoActiveRelease));
    }
    described(&server, caller, place.1).await
}

/// Uploads an artifact's next draft.
#[utoipa::path(post, path = "/v1/artifacts/{id}/draft", tag = "drafts", params(("id" = String, Path), UploadQuery),
    request_body(content((UploadBytes = "application/wasm"), (UploadForm = "multipart/form-data"))),
    responses((status = 201, body = DraftView, headers(("Location" = String, description = "The artifact.")))))]
pub(crate) async fn create_draft(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
    Params(query): Params<UploadQuery>,
    sent: Sent,
) -> Result<Created<DraftView>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    if artifact.draft.is_some() {
        return Err(Problem::of(Kind::DraftExists));
    }
    let uploaded = receive(&server, caller.key.owner.org, sent, query).await?;
    if let Some(name) = uploaded.name.filter(|name| *name != artifact.name) {
        let message = format!(
            "the tool is named `{}`, the artifact `{}`; an artifact keeps its name",
            quoted(&name),
            artifact.name
        );
        return Err(crate::problem::unprocessable("name_changed", message, None));
    }
    let place = (caller.key.owner.org, artifact.id);
    let quota = server.config.quota.quota();
    match server.store.put_draft(place, uploaded.draft, quota).await? {
        Drafted::Made => {}
        Drafted::Exists => return Err(Problem::of(Kind::DraftExists)),
        Drafted::OverQuota(over) => return Err(quota::over(over)),
    }
    let artifact = visible::own(&server, &caller, &id).await?;
    Ok(Created {
        location: format!("/v1/artifacts/{}", artifact.id),
        body: artifact_view::draft(draft(&artifact)?),
    })
}

/// Takes a draft away.
#[utoipa::path(delete, path = "/v1/artifacts/{id}/draft", tag = "drafts", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn delete_draft(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<NoContent, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    match server
        .store
        .delete_draft((caller.key.owner.org, artifact.id))
        .await?
    {
        true => Ok(NoContent),
        false => Err(Problem::of(Kind::DraftNotFound)),
    }
}

/// Asks the gate about a draft. The verdict is polled for.
#[utoipa::path(post, path = "/v1/artifacts/{id}/draft/validation", tag = "drafts", params(("id" = String, Path)),
    responses((status = 202, body = VerdictView, headers(("Location" = String, description = "Where to poll.")))))]
pub(crate) async fn ask_validation(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Accepted<VerdictView>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    draft(&artifact)?;
    let place = (caller.key.owner.org, artifact.id);
    // One that is asked already is asked once.
    server.store.ask_validation(place).await?;
    server.gate.ask(place.0, place.1);
    Ok(Accepted {
        location: format!("/v1/artifacts/{}/draft/validation", artifact.id),
        body: artifact_view::pending(),
        preference_applied: false,
    })
}

/// What the gate said of a draft.
#[utoipa::path(get, path = "/v1/artifacts/{id}/draft/validation", tag = "drafts", params(("id" = String, Path)),
    responses((status = 200, body = VerdictView)))]
pub(crate) async fn get_validation(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<VerdictView>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    match &draft(&artifact)?.verdict {
        Some(verdict) => Ok(Json(artifact_view::verdict(verdict))),
        None => Err(offer::admitted(None)
            .err()
            .unwrap_or_else(|| Problem::of(Kind::Internal))),
    }
}

fn draft(artifact: &Artifact) -> Result<&tollgate_store::Draft, Problem> {
    artifact
        .draft
        .as_ref()
        .ok_or_else(|| Problem::of(Kind::DraftNotFound))
}
