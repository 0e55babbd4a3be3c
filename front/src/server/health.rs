//! Whether the process lives, and whether it can take work. No key is needed.

use super::state::{Server, Shared};
use crate::problem::{Kind, Problem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use utoipa::ToSchema;

/// How old what was found may be: anybody may ask, and each look is a flush.
const LOOK: Duration = Duration::from_secs(1);

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// That the server takes work.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Ready {
    #[schema(example = "ok")]
    status: &'static str,
    /// Whether compiled tools can be kept: `ok`, or `unavailable`, where each start compiles them again.
    #[schema(example = "ok")]
    compiled: &'static str,
}

/// What was found last.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<Found>>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    at: Instant,
    /// `None`: the store does not write and read.
    ready: Option<Ready>,
}

impl Readiness {
    /// Callers at once share a look, which goes on where they leave.
    async fn of(&self, server: &Shared) -> Option<Ready> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some(found) = *last
            && found.at.elapsed() < LOOK
        {
            return found.ready;
        }
        let server = Arc::clone(server);
        let looking = tokio::spawn(async move {
            let ready = look(&server).await;
            let at = Instant::now();
            *last = Some(Found { at, ready });
            ready
        });
        looking.await.ok().flatten()
    }
}

async fn look(server: &Server) -> Option<Ready> {
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
    let ready = server.readiness.of(&server).await;
    ready.map(Json).ok_or_else(|| Problem::of(Kind::AtCapacity))
}
