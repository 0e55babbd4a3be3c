//! Releases: publish, list, look at the log, roll back.

use super::artifact_view::{self, ReleaseView};
use super::cover_picture::picture;
use crate::problem::answer::Created;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, Segment, Segments, id};
use crate::server::edge::unsent::showing::Shown;
use crate::server::money::offer::admitted;
use crate::server::money::offer::not_suspended;
use crate::server::state::Shared;
use crate::terms::widens_as_json;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tollgate_runtime::{Violation, quoted};
use tollgate_store::{Published, Scope};
use utoipa::ToSchema;

/// How a draft is published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Publish {
    /// Whether a cover is made of name and digest where there is none. Default true.
    #[serde(default = "yes")]
    #[schema(default = true)]
    generate_cover: bool,
}

fn yes() -> bool {
    true
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            generate_cover: true,
        }
    }
}

/// Publishes an admitted draft: it is the active release and listed from now. One that fails never replaces the
/// release that runs.
#[utoipa::path(post, path = "/v1/artifacts/{id}/publish", tag = "releases", params(("id" = String, Path)),
    request_body = Option<Publish>,
    responses((status = 201, body = ReleaseView, headers(("Location" = String, description = "The releases.")))))]
pub(crate) async fn publish(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
    sent: Sent,
) -> Result<Created<ReleaseView>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    let asked: Publish = sent
        .json_or_default(&server.bodies, caller.key.owner.org)
        .await?;
    not_suspended(&artifact)?;
    let draft = artifact
        .draft
        .as_ref()
        .ok_or_else(|| Problem::of(Kind::DraftNotFound))?;
    admitted(draft.verdict.as_ref())?;
    let cover = (asked.generate_cover).then(|| picture(&artifact.name, &draft.digest.sha256()));
    let place = (caller.key.owner.org, artifact.id);
    match server.store.publish(place, cover, widens_as_json).await? {
        Published::Made(release) => Ok(Created {
            location: format!("/v1/artifacts/{}/releases", artifact.id),
            body: artifact_view::shown_release(&release),
        }),
        Published::NoDraft => Err(Problem::of(Kind::DraftNotFound)),
        Published::NoCover => Err(Problem::of(Kind::CoverMissing)),
        Published::NotAdmitted(verdict) => {
            admitted(verdict.as_ref())?;
            Err(Problem::of(Kind::Internal))
        }
        Published::VersionExists(version) => {
            let message = format!("version {} was released", quoted(&version));
            let violation = Violation::new("version_exists", message).at_pointer("/version");
            Err(Problem::of(Kind::VersionExists).with_violation(violation))
        }
    }
}

/// Lists an artifact's releases, newest first.
#[utoipa::path(get, path = "/v1/artifacts/{id}/releases", tag = "releases", params(("id" = String, Path), Paging),
    responses((status = 200, body = List<ReleaseView>)))]
pub(crate) async fn list_releases(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
    Params(paging): Params<Paging>,
) -> Result<Shown<Json<List<ReleaseView>>>, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    let showing = Some(server.showing(caller.whose()).await?);
    let page = server
        .store
        .releases((caller.key.owner.org, artifact.id), before, limit)
        .await?;
    let body = Json(List::of(page, |it| artifact_view::shown_release(&it)));
    Ok(Shown { body, showing })
}

/// How a release was judged, line by line.
#[utoipa::path(get, path = "/v1/artifacts/{id}/releases/{release_id}/log", tag = "releases",
    params(("id" = String, Path), ("release_id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn release_log(
    State(server): State<Shared>,
    caller: Caller,
    Segments(artifact, release): Segments,
) -> Result<String, Problem> {
    let artifact = visible::own(&server, &caller, &artifact).await?;
    caller.needs(Scope::Publish)?;
    let release = id(&release, Kind::ReleaseNotFound)?;
    let log = server
        .store
        .release_log((caller.key.owner.org, artifact.id), release)
        .await?;
    log.ok_or_else(|| Problem::of(Kind::ReleaseNotFound))
}

/// Where to roll back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Rollback {
    /// The release that is to run; the one published before the active one where it is left out.
    release_id: Option<String>,
}

/// Lets an earlier release run again, at once: nothing is rebuilt.
#[utoipa::path(post, path = "/v1/artifacts/{id}/rollback", tag = "releases", params(("id" = String, Path)),
    request_body = Option<Rollback>, responses((status = 200, body = ReleaseView)))]
pub(crate) async fn rollback(
    State(server): State<Shared>,
    caller: Caller,
    Segment(artifact): Segment,
    sent: Sent,
) -> Result<Json<ReleaseView>, Problem> {
    let artifact = visible::own(&server, &caller, &artifact).await?;
    caller.needs(Scope::Publish)?;
    let asked: Rollback = sent
        .json_or_default(&server.bodies, caller.key.owner.org)
        .await?;
    let (release, missing) = match &asked.release_id {
        Some(release) => (
            Some(id(release, Kind::ReleaseNotFound)?),
            Kind::ReleaseNotFound,
        ),
        None => (None, Kind::NoActiveRelease),
    };
    let active = server
        .store
        .activate((caller.key.owner.org, artifact.id), release)
        .await?;
    let active = active.ok_or_else(|| Problem::of(missing))?;
    Ok(Json(artifact_view::shown_release(&active)))
}
