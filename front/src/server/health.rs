//! Whether the process lives, and whether it can take work. No key is needed.

use super::state::Shared;
use crate::problem::{Kind, Problem};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A good answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, body = Health)), security(()))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the server takes work: its store writes and reads, deadlines are kept, and it is not ending.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, body = Health)), security(()))]
pub(crate) async fn readyz(State(server): State<Shared>) -> Result<Json<Health>, Problem> {
    if server.is_draining() || server.is_stalled() {
        return Err(Problem::of(Kind::AtCapacity));
    }
    server.store.check().await?;
    Ok(Json(Health { status: "ok" }))
}
