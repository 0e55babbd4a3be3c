//! Whether the process lives, and whether it can take work. No key is needed.

use crate::problem::{Kind, Problem};
use crate::server::state::Shared;
use crate::server::state::readiness::Ready;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use utoipa::ToSchema;

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

async fn look(server: Shared) -> Option<Ready> {
    if let Err(error) = server.store.check().await {
        tracing::error!(%error, "the store does not write and read");
        return None;
    }
    let compiled = server.config.data.join("compiled");
    let kept = tokio::task::spawn_blocking(move || can_keep(compiled)).await;
    let compiled = match kept {
        Ok(Ok(())) => "ok",
        Ok(Err(error)) => {
            tracing::warn!(%error, "compiled tools cannot be kept");
            "unavailable"
        }
        Err(_) => "unavailable",
    };
    let status = "ok";
    Some(Ready { status, compiled })
}

fn can_keep(folder: PathBuf) -> io::Result<()> {
    // It is made when the first tool is kept.
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("check");
    std::fs::write(&file, b"!")?;
    std::fs::remove_file(file)
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)), security(()))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the server takes work: its store writes and reads, deadlines are kept, and it is not ending. Says, too,
/// whether compiled tools can be kept. What was found is good for a second.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Ready)), security(()))]
pub(crate) async fn readyz(State(server): State<Shared>) -> Result<Json<Ready>, Problem> {
    if server.is_draining() || server.is_stalled() || server.store.refuses_writes() {
        return Err(Problem::of(Kind::AtCapacity));
    }
    let ready = server.readiness.of(look(Arc::clone(&server))).await;
    ready.map(Json).ok_or_else(|| Problem::of(Kind::AtCapacity))
}
