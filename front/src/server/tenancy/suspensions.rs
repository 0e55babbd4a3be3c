//! What the operator stops: an artifact, an org or a key. Nothing is lost by it: resumed, it goes on.

use crate::problem::answer::NoContent;
use crate::problem::unprocessable;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::edge::params::{Segment, id};
use crate::server::state::{Server, Shared};
use axum::extract::State;
use tollgate_store::{KeyId, OrgId, Scope, Suspendable};

/// Stops an artifact: nobody runs it, subscribes to it or publishes it. The operator's.
#[utoipa::path(post, path = "/v1/artifacts/{id}/suspend", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn suspend_artifact(
    State(server): State<Shared>,
    caller: Caller,
    Segment(artifact): Segment,
) -> Result<NoContent, Problem> {
    let artifact = self::artifact(&server, &caller, &artifact).await?;
    set(&server, &caller, artifact, true, Kind::ArtifactNotFound).await
}

/// Lets an artifact go on. The operator's.
#[utoipa::path(post, path = "/v1/artifacts/{id}/resume", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn resume_artifact(
    State(server): State<Shared>,
    caller: Caller,
    Segment(artifact): Segment,
) -> Result<NoContent, Problem> {
    let artifact = self::artifact(&server, &caller, &artifact).await?;
    set(&server, &caller, artifact, false, Kind::ArtifactNotFound).await
}

/// Stops an org: its keys may do nothing, and nobody runs its artifacts. The operator's, and never their own.
#[utoipa::path(post, path = "/v1/orgs/{id}/suspend", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn suspend_org(
    State(server): State<Shared>,
    caller: Caller,
    Segment(org): Segment,
) -> Result<NoContent, Problem> {
    let org = self::org(&caller, &org)?;
    if server.store.is_platform(org) {
        let message = "it is the operator's own: nobody could resume it";
        return Err(unprocessable("org_own", message, None));
    }
    set(
        &server,
        &caller,
        Suspendable::Org(org),
        true,
        Kind::RouteNotFound,
    )
    .await
}

/// Lets an org go on. The operator's.
#[utoipa::path(post, path = "/v1/orgs/{id}/resume", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn resume_org(
    State(server): State<Shared>,
    caller: Caller,
    Segment(org): Segment,
) -> Result<NoContent, Problem> {
    let org = self::org(&caller, &org)?;
    set(
        &server,
        &caller,
        Suspendable::Org(org),
        false,
        Kind::RouteNotFound,
    )
    .await
}

/// Stops a key: it may do nothing. The operator's, and never the one that asks.
#[utoipa::path(post, path = "/v1/keys/{id}/suspend", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn suspend_key(
    State(server): State<Shared>,
    caller: Caller,
    Segment(key): Segment,
) -> Result<NoContent, Problem> {
    let key = self::key(&server, &caller, &key).await?;
    if key == caller.key.key {
        let message = "it is the key that asks: it could not resume itself";
        return Err(unprocessable("key_own", message, None));
    }
    set(
        &server,
        &caller,
        Suspendable::Key(key),
        true,
        Kind::KeyNotFound,
    )
    .await
}

/// Lets a key go on. The operator's.
#[utoipa::path(post, path = "/v1/keys/{id}/resume", tag = "operator", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn resume_key(
    State(server): State<Shared>,
    caller: Caller,
    Segment(key): Segment,
) -> Result<NoContent, Problem> {
    let key = self::key(&server, &caller, &key).await?;
    set(
        &server,
        &caller,
        Suspendable::Key(key),
        false,
        Kind::KeyNotFound,
    )
    .await
}

/// Any artifact for the operator. For others only their own is there, and forbidden.
async fn artifact(server: &Server, caller: &Caller, text: &str) -> Result<Suspendable, Problem> {
    let artifact = id(text, Kind::ArtifactNotFound)?;
    if !caller.key.scopes.cover(Scope::Operator) {
        visible::own(server, caller, text).await?;
    }
    caller.needs(Scope::Operator)?;
    Ok(Suspendable::Artifact(artifact))
}

/// The same of orgs.
fn org(caller: &Caller, text: &str) -> Result<OrgId, Problem> {
    let org = id(text, Kind::RouteNotFound)?;
    if !caller.key.scopes.cover(Scope::Operator) && org != caller.key.owner.org {
        return Err(Problem::of(Kind::RouteNotFound));
    }
    caller.needs(Scope::Operator)?;
    Ok(org)
}

/// The same of keys.
async fn key(server: &Server, caller: &Caller, text: &str) -> Result<KeyId, Problem> {
    let key = id(text, Kind::KeyNotFound)?;
    if !caller.key.scopes.cover(Scope::Operator) {
        let own = server.store.key_scopes(caller.owner(), key).await?;
        own.ok_or_else(|| Problem::of(Kind::KeyNotFound))?;
    }
    caller.needs(Scope::Operator)?;
    Ok(key)
}

async fn set(
    server: &Server,
    caller: &Caller,
    target: Suspendable,
    is_suspended: bool,
    missing: Kind,
) -> Result<NoContent, Problem> {
    let set = server
        .store
        .set_suspended(caller.actor(), target, is_suspended);
    match set.await? {
        true => Ok(NoContent),
        false => Err(Problem::of(missing)),
    }
}
