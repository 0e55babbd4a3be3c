//! Every route, each with its description.

use super::health;
use super::openapi;
use crate::problem::{Kind, Problem};
use crate::server::catalogue::artifacts;
use crate::server::catalogue::covers;
use crate::server::catalogue::releases;
use crate::server::money::budgets;
use crate::server::money::subscriptions;
use crate::server::money::usage;
use crate::server::money::wallet;
use crate::server::repeated;
use crate::server::runs::handlers;
use crate::server::runs::sessions;
use crate::server::runs::spans;
use crate::server::state::Shared;
use crate::server::tenancy::actions;
use crate::server::tenancy::environment;
use crate::server::tenancy::keys;
use crate::server::tenancy::orgs;
use crate::server::tenancy::suspensions;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Router, middleware};
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

const DESCRIPTION: &str = "/openapi.json";

/// The routes, their paths, and what `GET /openapi.json` says of them.
pub(crate) fn router(server: Shared) -> (Router, Vec<String>) {
    let (router, description) = described(&server);
    let mut paths: Vec<_> = description.paths.paths.keys().cloned().collect();
    paths.push(DESCRIPTION.to_owned());
    // It is some hundred KiB, and asked for without a key.
    let description = Bytes::from(serde_json::to_vec(&description).unwrap_or_default());
    let described = async move || ([(CONTENT_TYPE, "application/json")], description);
    let router = router
        .route(DESCRIPTION, get(described))
        .fallback(async || Problem::of(Kind::RouteNotFound))
        .with_state(server);
    (router, paths)
}

fn described(server: &Shared) -> (Router<Shared>, OpenApi) {
    let runs_themselves = OpenApiRouter::new()
        .routes(routes!(handlers::run))
        .routes(routes!(handlers::run_draft));
    let others = OpenApiRouter::new()
        .routes(routes!(
            artifacts::create_artifact,
            artifacts::list_artifacts
        ))
        .routes(routes!(artifacts::get_artifact, artifacts::change_artifact))
        .routes(routes!(artifacts::create_draft, artifacts::delete_draft))
        .routes(routes!(
            artifacts::ask_validation,
            artifacts::get_validation
        ))
        .routes(routes!(releases::publish))
        .routes(routes!(releases::list_releases))
        .routes(routes!(releases::release_log))
        .routes(routes!(releases::rollback))
        .routes(routes!(covers::get_cover, covers::make_cover))
        .routes(routes!(handlers::list_failures))
        .routes(routes!(handlers::list_runs))
        .routes(routes!(handlers::get_run))
        .routes(routes!(handlers::cancel_run))
        .routes(routes!(handlers::run_logs))
        .routes(routes!(spans::run_spans, spans::add_spans))
        .routes(routes!(environment::list_entries))
        .routes(routes!(environment::set_entry, environment::delete_entry))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(
            subscriptions::subscribe,
            subscriptions::list_subscriptions
        ))
        .routes(routes!(subscriptions::unsubscribe))
        .routes(routes!(subscriptions::accept))
        .routes(routes!(sessions::create_session))
        .routes(routes!(sessions::get_session, sessions::revoke_session))
        .routes(routes!(sessions::session_runs))
        .routes(routes!(budgets::list_budgets, budgets::set_budget))
        .routes(routes!(wallet::get_wallet))
        .routes(routes!(wallet::list_wallet_entries))
        .routes(routes!(wallet::create_credit))
        .routes(routes!(usage::list_usage))
        .routes(routes!(actions::list_actions))
        .routes(routes!(suspensions::suspend_artifact))
        .routes(routes!(suspensions::resume_artifact))
        .routes(routes!(suspensions::suspend_org))
        .routes(routes!(suspensions::resume_org))
        .routes(routes!(suspensions::suspend_key))
        .routes(routes!(suspensions::resume_key))
        .routes(routes!(orgs::create_project))
        .routes(routes!(orgs::create_org))
        .layer(middleware::from_fn_with_state(
            server.clone(),
            repeated::keep,
        ))
        // Bodies are bounded where they are read; forms are read by the framework.
        .layer(DefaultBodyLimit::disable());
    let (router, description) = OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .merge(runs_themselves)
        .merge(others)
        .split_for_parts();
    (router, openapi::with_problems(description))
}
