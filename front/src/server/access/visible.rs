//! Step 3: which artifacts a caller may know of. What is another project's answers as what does not exist.

use super::caller::Caller;
use crate::problem::{Kind, Problem};
use crate::server::edge::params::id;
use crate::server::state::Server;
use std::sync::Arc;
use tollgate_store::{Artifact, ArtifactId};

/// An artifact of the caller's own project.
pub(crate) async fn own(
    server: &Server,
    caller: &Caller,
    artifact: &str,
) -> Result<Arc<Artifact>, Problem> {
    let found = find(server, artifact).await?;
    if found.owner == caller.owner() {
        Ok(found)
    } else {
        Err(Problem::of(Kind::ArtifactNotFound))
    }
}

/// The same, or another project's that was published: whether it may be run is for its subscription to say.
pub(crate) async fn own_or_published(
    server: &Server,
    caller: &Caller,
    artifact: &str,
) -> Result<Arc<Artifact>, Problem> {
    let found = find(server, artifact).await?;
    if found.owner == caller.owner() || found.active.is_some() {
        Ok(found)
    } else {
        Err(Problem::of(Kind::ArtifactNotFound))
    }
}

/// The same, or another project's that is listed or subscribed to.
pub(crate) async fn own_listed_or_subscribed(
    server: &Server,
    caller: &Caller,
    artifact: &str,
) -> Result<Arc<Artifact>, Problem> {
    let found = own_or_published(server, caller, artifact).await?;
    if found.owner == caller.owner() || found.listed {
        return Ok(found);
    }
    let subscription = server.store.subscription_to(caller.owner(), found.id);
    match subscription.await? {
        Some(_) => Ok(found),
        None => Err(Problem::of(Kind::NotListed)),
    }
}

async fn find(server: &Server, artifact: &str) -> Result<Arc<Artifact>, Problem> {
    let artifact: ArtifactId = id(artifact, Kind::ArtifactNotFound)?;
    let found = server.store.artifact(artifact).await?;
    found.ok_or_else(|| Problem::of(Kind::ArtifactNotFound))
}
