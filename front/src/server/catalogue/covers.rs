//! Covers: an artifact's picture, made from its name and the digest of its tool.

use super::cover_picture::picture;
use crate::problem::answer::Picture;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::edge::params::Segment;
use crate::server::state::Shared;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use tollgate_store::{Artifact, Scope};

/// An artifact's cover, for whoever sees the artifact: its own project, and others while it is listed or they are
/// subscribed.
#[utoipa::path(get, path = "/v1/artifacts/{id}/cover", tag = "artifacts",
    params(("id" = String, Path), ("If-None-Match" = Option<String>, Header, description = "An `ETag` that is known.")),
    responses((status = 200, body = String, content_type = "image/svg+xml",
            headers(("ETag" = String, description = "Changes when the picture does."))),
        (status = 304, description = "The picture is the one of `If-None-Match`.")))]
pub(crate) async fn get_cover(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
) -> Result<Picture, Problem> {
    let artifact = visible::own_listed_or_subscribed(&server, &caller, &id).await?;
    let place = (artifact.owner.org, artifact.id);
    let svg = server.store.cover(place).await?;
    let svg = svg.ok_or_else(|| Problem::of(Kind::CoverMissing))?;
    let known: Vec<_> = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    Ok(Picture::asked(svg, &known.join(",")))
}

/// Makes an artifact's cover of its name and the digest of its active release, or of its draft before there is one.
/// A cover that is there is replaced.
#[utoipa::path(post, path = "/v1/artifacts/{id}/cover", tag = "artifacts", params(("id" = String, Path)),
    responses((status = 201, body = String, content_type = "image/svg+xml",
        headers(("Location" = String, description = "The cover."),
            ("ETag" = String, description = "Changes when the picture does.")))))]
pub(crate) async fn make_cover(
    State(server): State<Shared>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Picture, Problem> {
    let artifact = visible::own(&server, &caller, &id).await?;
    caller.needs(Scope::Publish)?;
    let svg = cover(&artifact).ok_or_else(|| Problem::of(Kind::DraftNotFound))?;
    let place = (caller.key.owner.org, artifact.id);
    server.store.set_cover(place, svg.clone()).await?;
    let location = format!("/v1/artifacts/{}/cover", artifact.id);
    Ok(Picture::made(svg, location))
}

/// The picture of an artifact as it is; none where it has neither release nor draft.
fn cover(artifact: &Artifact) -> Option<String> {
    let released = artifact.active.as_ref().map(|release| release.digest);
    let digest = released.or(artifact.draft.as_ref().map(|draft| draft.digest))?;
    Some(picture(&artifact.name, &digest.sha256()))
}
