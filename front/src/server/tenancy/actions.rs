//! Who did what, for the operator.

use crate::problem::Problem;
use crate::server::access::caller::Caller;
use crate::server::edge::params::{List, Paging, Params};
use crate::server::state::Shared;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use tollgate_store::{Action, Scope};
use utoipa::ToSchema;

/// What somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionView {
    #[schema(example = "act_06bqk8m0000000000000000000")]
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// Whose key it was done with.
    org_id: String,
    /// The key.
    key_id: String,
    /// `org.created`, `org.suspended`, `org.resumed`, `artifact.suspended`, `artifact.resumed`, `key.created`,
    /// `key.rotated`, `key.revoked`, `key.suspended`, `key.resumed`, `project.created` or `credit.made`.
    #[schema(example = "key.created")]
    action: String,
    /// What it was done to: an org, artifact, key or project; of a credit the org that got it.
    target_id: String,
    /// What else is worth knowing, by action. Never a secret.
    #[schema(value_type = Object)]
    detail: Value,
}

/// What was done by the operator, and by anybody to keys and projects, newest first. The operator's.
#[utoipa::path(get, path = "/v1/audit", tag = "operator", params(Paging),
    responses((status = 200, body = List<ActionView>)))]
pub(crate) async fn list_actions(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<List<ActionView>>, Problem> {
    caller.needs(Scope::Operator)?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    let page = server.store.actions(before, limit).await?;
    Ok(Json(List::of(page, view)))
}

fn view(action: Action) -> ActionView {
    ActionView {
        id: action.id.to_string(),
        at: action.at.to_string(),
        org_id: action.org.to_string(),
        key_id: action.key.to_string(),
        action: action.what,
        target_id: action.target,
        detail: action.detail,
    }
}
