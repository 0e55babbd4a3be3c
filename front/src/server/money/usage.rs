//! What the project's runs used: by day, by artifact, by key.

use crate::problem::Problem;
use crate::server::access::caller::Caller;
use crate::server::edge::params::{List, Paging, Params, bad_query};
use crate::server::state::Shared;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tollgate_store::{Day, Scope, Used};
use utoipa::{IntoParams, ToSchema};

/// What usage is added up by.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UsageBy {
    #[default]
    Day,
    Artifact,
    Key,
}

/// Which usage.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageQuery {
    /// `day`, `artifact` or `key`; `day` where it is left out.
    #[serde(default)]
    #[param(inline, required = false)]
    by: UsageBy,
    /// Items, 1 to 100; 20 where it is left out.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What the runs of a day, of an artifact or with a key used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// Of UTC, on which they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, example = "2026-11-25")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// Those that came to an end; not such as were cancelled before they started.
    runs: u64,
    succeeded: u64,
    /// Tokens.
    charged: u64,
    /// Thread CPU in guests.
    cpu_us: u64,
    /// From guests' start to their end.
    wall_us: u64,
}

/// What runs used, and what the org keeps of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageList {
    items: Vec<UsageView>,
    /// Null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Bytes of outputs, logs, spans and answers to repeated requests that the org keeps now.
    kept_bytes: u64,
    /// How many it may keep; null is no limit. Above it a run's record stays, and the rest is cut.
    #[schema(required)]
    kept_bytes_max: Option<u64>,
}

/// What the project's runs used, by day, artifact or key, newest first. It stays when the runs' records are gone.
#[utoipa::path(get, path = "/v1/usage", tag = "wallet", params(UsageQuery),
    responses((status = 200, body = UsageList)))]
pub(crate) async fn list_usage(
    State(server): State<Shared>,
    caller: Caller,
    Params(query): Params<UsageQuery>,
) -> Result<Json<UsageList>, Problem> {
    caller.needs(Scope::Run)?;
    let paging = Paging::new(query.limit, query.cursor);
    let (owner, limit) = (caller.owner(), paging.limit()?);
    let list = match query.by {
        UsageBy::Day => {
            let before = day_before(&paging)?;
            let page = server.store.usage_by_day(owner, before, limit).await?;
            List::of(page, |usage| UsageView {
                day: Some(usage.of.to_string()),
                ..view(usage.used)
            })
        }
        UsageBy::Artifact => {
            let before = paging.before()?;
            let page = server.store.usage_by_artifact(owner, before, limit).await?;
            List::of(page, |usage| UsageView {
                artifact_id: Some(usage.of.to_string()),
                ..view(usage.used)
            })
        }
        UsageBy::Key => {
            let before = paging.before()?;
            let page = server.store.usage_by_key(owner, before, limit).await?;
            List::of(page, |usage| UsageView {
                key_id: Some(usage.of.to_string()),
                ..view(usage.used)
            })
        }
    };
    let kept = server.store.kept_bytes(owner.org).await?;
    Ok(Json(UsageList {
        items: list.items,
        next_cursor: list.next_cursor,
        kept_bytes: kept.used,
        kept_bytes_max: (kept.limit < u64::MAX).then_some(kept.limit),
    }))
}

fn day_before(paging: &Paging) -> Result<Option<Day>, Problem> {
    let cursor = paging.cursor().map(str::parse).transpose();
    cursor.map_err(|_| bad_query("cursor is not a `next_cursor` of this list"))
}

fn view(used: Used) -> UsageView {
    UsageView {
        day: None,
        artifact_id: None,
        key_id: None,
        runs: used.runs,
        succeeded: used.succeeded,
        charged: used.charged,
        cpu_us: used.cpu_us,
        wall_us: used.wall_us,
    }
}
