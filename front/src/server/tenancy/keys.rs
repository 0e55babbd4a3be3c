//! Keys: made, listed, rotated, taken back. Their text is in the first answer only.

use crate::problem::answer::{Created, NoContent};
use crate::problem::unprocessable;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::Caller;
use crate::server::edge::body::Sent;
use crate::server::edge::params::{List, Paging, Params, Segment, id};
use crate::server::state::Shared;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tollgate_runtime::quoted;
use tollgate_store::{Key, KeyId, KeyMade, NewKey, Scope, Scopes};
use utoipa::ToSchema;

const NAME_BYTES_MAX: usize = 128;
/// A week: a rotation that takes longer is two keys.
const OVERLAP_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct KeyRequest {
    /// For people, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128, example = "ci")]
    name: String,
    /// Some of `run`, `publish`, `manage`, `operator`; only such as the calling key has.
    #[schema(min_items = 1, example = json!(["run"]))]
    scopes: Vec<String>,
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyView {
    #[schema(example = "key_06bqk8m0000000000000000000")]
    id: String,
    name: String,
    #[schema(example = json!(["run"]))]
    scopes: Vec<String>,
    /// How its text begins.
    #[schema(example = "tg_4f7a")]
    prefix: String,
    /// How its text ends.
    #[schema(example = "9c2e")]
    last4: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
    /// Its text, in the answer that makes or rotates it only.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Makes a key of the project.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", request_body = KeyRequest,
    responses((status = 201, body = KeyView, headers(("Location" = String, description = "The keys.")))))]
pub(crate) async fn create_key(
    State(server): State<Shared>,
    caller: Caller,
    sent: Sent,
) -> Result<Created<KeyView>, Problem> {
    caller.needs(Scope::Manage)?;
    let request: KeyRequest = sent.json(&server.bodies, caller.key.owner.org).await?;
    check_name(&request.name)?;
    let scopes = scopes(&request.scopes)?;
    if let Some(beyond) = scopes.iter().find(|scope| !caller.key.scopes.cover(*scope)) {
        let hint = format!(
            "A key makes only keys with scopes it has; this one has not `{}`.",
            beyond.name()
        );
        return Err(Problem::of(Kind::Forbidden).with_hint(hint));
    }
    let new = NewKey {
        name: request.name,
        scopes,
    };
    let made = server.store.create_key(caller.actor(), new).await?;
    Ok(Created {
        location: "/v1/keys".to_owned(),
        body: made_view(made),
    })
}

/// A name for people, of a key, a project or an org.
pub(crate) fn check_name(name: &str) -> Result<(), Problem> {
    if !name.trim().is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.chars().any(char::is_control)
    {
        return Ok(());
    }
    let message = format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters");
    Err(unprocessable("name_invalid", message, Some("/name")))
}

fn scopes(names: &[String]) -> Result<Scopes, Problem> {
    let invalid = |message: String| unprocessable("scopes_invalid", message, Some("/scopes"));
    let known = names.iter().map(|name| {
        let scope = Scope::named(name);
        scope.ok_or_else(|| {
            invalid(format!(
                "`{}` is no scope: run, publish, manage, operator are",
                quoted(name)
            ))
        })
    });
    let scopes = Scopes::of(known.collect::<Result<Vec<_>, _>>()?);
    match scopes.is_empty() {
        true => Err(invalid(
            "a key needs a scope: run, publish, manage or operator".to_owned(),
        )),
        false => Ok(scopes),
    }
}

/// Lists the project's keys, newest first.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", params(Paging), responses((status = 200, body = List<KeyView>)))]
pub(crate) async fn list_keys(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<List<KeyView>>, Problem> {
    caller.needs(Scope::Manage)?;
    let (before, limit) = (paging.before()?, paging.limit()?);
    let page = server.store.keys(caller.owner(), before, limit).await?;
    Ok(Json(List::of(page, view)))
}

/// How a key is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Rotation {
    /// How long the old text is good beside the new one, in seconds, at most a week. Default 0.
    #[serde(default)]
    #[schema(default = 0, maximum = 604800)]
    overlap_s: u64,
}

/// Gives a key a new text.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "keys", params(("id" = String, Path)),
    request_body = Option<Rotation>, responses((status = 200, body = KeyView)))]
pub(crate) async fn rotate_key(
    State(server): State<Shared>,
    caller: Caller,
    Segment(key): Segment,
    sent: Sent,
) -> Result<Json<KeyView>, Problem> {
    let key = id(&key, Kind::KeyNotFound)?;
    caller.needs(Scope::Manage)?;
    let rotation: Rotation = sent
        .json_or_default(&server.bodies, caller.key.owner.org)
        .await?;
    let overlap = Duration::from_secs(rotation.overlap_s);
    if overlap > OVERLAP_MAX {
        let message = format!("overlap_s may be at most {}", OVERLAP_MAX.as_secs());
        return Err(unprocessable(
            "overlap_invalid",
            message,
            Some("/overlap_s"),
        ));
    }
    within_scopes(&server, &caller, key).await?;
    let made = server
        .store
        .rotate_key(caller.actor(), key, overlap)
        .await?;
    let made = made.ok_or_else(|| Problem::of(Kind::KeyNotFound))?;
    Ok(Json(made_view(made)))
}

/// A key has a say only over keys with scopes it has: whoever rotates one gets its text.
async fn within_scopes(server: &Shared, caller: &Caller, key: KeyId) -> Result<(), Problem> {
    let scopes = server.store.key_scopes(caller.owner(), key).await?;
    let scopes = scopes.ok_or_else(|| Problem::of(Kind::KeyNotFound))?;
    if scopes.iter().all(|scope| caller.key.scopes.cover(scope)) {
        return Ok(());
    }
    let hint = "A key rotates and revokes only keys with scopes it has.";
    Err(Problem::of(Kind::Forbidden).with_hint(hint))
}

/// Takes a key back: the next call with it is refused.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 204)))]
pub(crate) async fn revoke_key(
    State(server): State<Shared>,
    caller: Caller,
    Segment(key): Segment,
) -> Result<NoContent, Problem> {
    let key = id(&key, Kind::KeyNotFound)?;
    caller.needs(Scope::Manage)?;
    within_scopes(&server, &caller, key).await?;
    match server.store.revoke_key(caller.actor(), key).await? {
        true => Ok(NoContent),
        false => Err(Problem::of(Kind::KeyNotFound)),
    }
}

fn made_view(made: KeyMade) -> KeyView {
    KeyView {
        key: Some(made.text.expose().to_owned()),
        ..view(made.key)
    }
}

fn view(key: Key) -> KeyView {
    KeyView {
        id: key.id.to_string(),
        name: key.name,
        scopes: key
            .scopes
            .iter()
            .map(|scope| scope.name().to_owned())
            .collect(),
        prefix: key.prefix,
        last4: key.last4,
        created_at: key.created_at.to_string(),
        revoked_at: key.revoked_at.map(|it| it.to_string()),
        key: None,
    }
}
