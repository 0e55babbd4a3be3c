//! Step 3: which artifacts a caller may know of. What is another project's answers as what does not exist.

use super::caller::Caller;
use super::params::id;
use super::state::Server;
use crate::problem::{Kind, Problem};
use tollgate_store::{Artifact, ArtifactId};

/// An artifact of the caller's own project.
pub(crate) async fn own(
    server: &Server,
    caller: &Caller,
    artifact: &str,
) -> Result<Artifact, Problem> {
    let found = find(server, artifact).await?;
    if found.owner == caller.owner() {
        Ok(found)
    } else {
        Err(Problem::of(Kind::ArtifactNotFound))
    }
}

/// The same, or another project's that is listed.
pub(crate) async fn own_or_listed(
    server: &Server,
    caller: &Caller,
    artifact: &str,
) -> Result<Artifact, Problem> {
    let found = find(server, artifact).await?;
    if found.owner == caller.owner() || found.listed {
        Ok(found)
    } else if found.active.is_some() {
        Err(Problem::of(Kind::NotListed))
    } else {
        Err(Problem::of(Kind::ArtifactNotFound))
    }
}

async fn find(server: &Server, artifact: &str) -> Result<Artifact, Problem> {
    let artifact: ArtifactId = id(artifact, Kind::ArtifactNotFound)?;
    let found = server.store.artifact(artifact).await?;
    found.ok_or_else(|| Problem::of(Kind::ArtifactNotFound))
}
