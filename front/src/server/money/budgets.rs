//! What a project, or one of its keys, may spend in a day or a month.

use super::wallet::TOKENS_MAX;
use crate::problem::unprocessable;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, id};
use crate::server::state::Shared;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tollgate_runtime::quoted;
use tollgate_store::{Budget, KeyId, Period, Scope};
use utoipa::ToSchema;

/// A cap, or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct BudgetRequest {
    /// `project` or `key`.
    #[schema(example = "project")]
    scope: String,
    /// With the scope `key`.
    key_id: Option<String>,
    /// `day` or `month`, of UTC.
    #[schema(example = "day")]
    period: String,
    /// Tokens, of charges and holds; null takes the budget away.
    #[serde(deserialize_with = "present")]
    #[schema(
        required,
        minimum = 0,
        maximum = 1_000_000_000_000_000_u64,
        example = 1000
    )]
    cap: Option<u64>,
}

/// Null is an answer, nothing is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(deserializer)
}

/// A budget.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BudgetView {
    #[schema(example = "bud_06bqk8m0000000000000000000")]
    id: Option<String>,
    /// `project` or `key`.
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// `day` or `month`.
    period: &'static str,
    /// Null where it was taken away.
    #[schema(required)]
    cap: Option<u64>,
    /// What was charged and what is held.
    spent: u64,
    #[schema(format = DateTime)]
    resets_at: Option<String>,
}

/// Lists the project's budgets, oldest first.
#[utoipa::path(get, path = "/v1/budgets", tag = "wallet", params(Paging),
    responses((status = 200, body = List<BudgetView>)))]
pub(crate) async fn list_budgets(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<List<BudgetView>>, Problem> {
    caller.needs(Scope::Run)?;
    let (after, limit) = (paging.before()?, paging.limit()?);
    let page = server.store.budgets(caller.owner(), after, limit);
    Ok(Json(List::of(page.await?, view)))
}

/// Sets what the project, or one of its keys, may spend in a day or a month; it counts from the next run on.
#[utoipa::path(put, path = "/v1/budgets", tag = "wallet", request_body = BudgetRequest,
    responses((status = 200, body = BudgetView)))]
pub(crate) async fn set_budget(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Json<BudgetView>, Problem> {
    caller.needs(Scope::Manage)?;
    let request: BudgetRequest = sent.json(&server.bodies, caller.key.owner.org).await?;
    let period = period(&request.period)?;
    let key = key(&server, &caller, &request).await?;
    let owner = caller.owner();
    if let Some(cap) = request.cap {
        if cap > TOKENS_MAX {
            let message = format!("a cap is at most {TOKENS_MAX} tokens; null is none");
            return Err(unprocessable("cap_invalid", message, Some("/cap")));
        }
        let budget = server.store.set_budget(owner, key, period, cap).await?;
        // With what is held of it, unless it was taken away meanwhile.
        let set = server.store.budget(owner, key, period).await?;
        return Ok(Json(view(set.unwrap_or(budget))));
    }
    // What was spent is counted in memory only.
    let had = server.store.budget(owner, key, period).await?;
    let removed = server.store.remove_budget(owner, key, period).await?;
    Ok(Json(match removed {
        Some(removed) => BudgetView {
            cap: None,
            ..view(had.filter(|had| had.id == removed.id).unwrap_or(removed))
        },
        None => BudgetView {
            id: None,
            scope: scope(key),
            key_id: key.map(|it| it.to_string()),
            period: period.name(),
            cap: None,
            spent: 0,
            resets_at: None,
        },
    }))
}

fn period(name: &str) -> Result<Period, Problem> {
    Period::named(name).ok_or_else(|| {
        let message = format!("`{}` is no period: day and month are", quoted(name));
        unprocessable("period_invalid", message, Some("/period"))
    })
}

/// The key that a budget is of, which must be the project's.
async fn key(
    server: &Shared,
    caller: &Caller,
    request: &BudgetRequest,
) -> Result<Option<KeyId>, Problem> {
    let key = match (request.scope.as_str(), &request.key_id) {
        ("project", None) => return Ok(None),
        ("key", Some(key)) => id(key, Kind::KeyNotFound)?,
        ("project", Some(_)) => {
            let message = "a project's budget has no `key_id`";
            return Err(unprocessable("key_unexpected", message, Some("/key_id")));
        }
        ("key", None) => {
            let message = "a key's budget needs its `key_id`";
            return Err(unprocessable("key_missing", message, Some("/key_id")));
        }
        (other, _) => {
            let message = format!("`{}` is no scope: project and key are", quoted(other));
            return Err(unprocessable("scope_invalid", message, Some("/scope")));
        }
    };
    let scopes = server.store.key_scopes(caller.owner(), key).await?;
    match scopes {
        Some(_) => Ok(Some(key)),
        None => Err(Problem::of(Kind::KeyNotFound)),
    }
}

fn scope(key: Option<KeyId>) -> &'static str {
    match key {
        Some(_) => "key",
        None => "project",
    }
}

fn view(budget: Budget) -> BudgetView {
    BudgetView {
        id: Some(budget.id.to_string()),
        scope: scope(budget.key),
        key_id: budget.key.map(|it| it.to_string()),
        period: budget.period.name(),
        cap: Some(budget.cap),
        spent: budget.spent.saturating_add(budget.held),
        resets_at: Some(budget.resets_at.to_string()),
    }
}
