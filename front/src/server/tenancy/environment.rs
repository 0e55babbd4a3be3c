//! The environment: a buyer's secrets, set and taken back, never read back.

use crate::problem::Problem;
use crate::problem::answer::NoContent;
use crate::problem::unprocessable;
use crate::server::access::caller::Caller;
use crate::server::access::visible;
use crate::server::catalogue::artifact_view::declared_hosts;
use crate::server::edge::body::{Sent, shaped};
use crate::server::edge::params::{List, Paging, Params, Segment, bad_query};
use crate::server::money::offer;
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use tollgate_runtime::{Credential, quoted};
use tollgate_store::{Artifact, ArtifactId, Entry, EntryScope, NewEntry, Scope};
use tollgate_validator::{HOSTS_MAX, is_credential_name, is_host};
use utoipa::{IntoParams, ToSchema};

/// A secret to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct EntryChange {
    /// 8 to 4,096 printable ASCII characters. It is never read back.
    #[serde(deserialize_with = "secret")]
    #[schema(value_type = String, min_length = 8, max_length = 4096, format = Password, pattern = "^[ -~]*$")]
    value: SecretString,
    /// Where it may go: `host` (port 443) or `host:port`, exact. May be left out with `artifact_id`: then it is what
    /// the release declares that this project runs.
    hosts: Option<Vec<String>>,
    /// Keeps it for runs of one artifact only.
    artifact_id: Option<String>,
    /// Whether tools that declare `expose` may see it itself.
    #[serde(default)]
    #[schema(default = false)]
    allow_expose: bool,
}

/// Of what is no text nothing is said in the error: it may be the secret.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text.into()),
        _ => Err(D::Error::custom("`value` must be a string")),
    }
}

/// Which entry.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryQuery {
    /// The artifact it is for, where it is for one only.
    artifact_id: Option<String>,
}

/// A secret as it is shown: never its value.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntryView {
    #[schema(example = "OPENWEATHER_API_KEY")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_id: Option<String>,
    hosts: Vec<String>,
    allow_expose: bool,
    last4: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Sets a secret, for runs of one artifact or of all, in place of the one that was there.
#[utoipa::path(put, path = "/v1/environment/{name}", tag = "environment", params(("name" = String, Path), EntryQuery),
    request_body = EntryChange, responses((status = 200, body = EntryView)))]
pub(crate) async fn set_entry(
    State(server): State<Shared>,
    caller: Caller,
    Segment(name): Segment,
    Params(query): Params<EntryQuery>,
    sent: Sent,
) -> Result<Json<EntryView>, Problem> {
    caller.needs(Scope::Manage)?;
    let body: Value = sent.json(&server.bodies, caller.key.owner.org).await?;
    if !body.is_object() {
        let message = "the body must be an object with `value`";
        return Err(unprocessable("body_invalid", message, None));
    }
    let change: EntryChange = shaped(body)?;
    let artifact = artifact_asked(query.artifact_id, change.artifact_id)?;
    let artifact = match artifact {
        Some(artifact) => {
            Some(visible::own_listed_or_subscribed(&server, &caller, &artifact).await?)
        }
        None => None,
    };
    check_name(&name)?;
    check_value(&change.value)?;
    let hosts = match change.hosts {
        Some(hosts) => named_hosts(hosts)?,
        None => declared(&server, &caller, &name, artifact.as_deref()).await?,
    };
    let scope = EntryScope {
        owner: caller.owner(),
        artifact: artifact.map(|artifact| artifact.id),
    };
    let new = NewEntry {
        name,
        value: change.value,
        hosts,
        allow_expose: change.allow_expose,
    };
    Ok(Json(view(server.store.set_entry(scope, new).await?)))
}

/// The artifact, which query or body may name.
fn artifact_asked(query: Option<String>, body: Option<String>) -> Result<Option<String>, Problem> {
    match (query, body) {
        (Some(query), Some(body)) if query != body => Err(bad_query(
            "artifact_id of the query is not that of the body",
        )),
        (query, body) => Ok(query.or(body)),
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    if is_credential_name(name) {
        return Ok(());
    }
    let message = format!(
        "the name `{}` must be A-Z, 0-9 and `_`, beginning with a letter, at most 128: it is an environment variable",
        quoted(name)
    );
    Err(unprocessable("name_invalid", message, None))
}

fn check_value(value: &SecretString) -> Result<(), Problem> {
    use secrecy::ExposeSecret;
    let invalid = |message: String| unprocessable("value_invalid", message, Some("/value"));
    let value = value.expose_secret();
    if value.is_empty() {
        return Err(invalid(
            "a secret has 8 to 4,096 printable ASCII characters".to_owned(),
        ));
    }
    Credential::new(value)
        .map(|_| ())
        .map_err(|error| invalid(error.to_string()))
}

fn hosts_invalid(message: String) -> Problem {
    unprocessable("hosts_invalid", message, Some("/hosts"))
}

fn named_hosts(hosts: Vec<String>) -> Result<Vec<String>, Problem> {
    if hosts.len() > HOSTS_MAX {
        return Err(hosts_invalid(format!(
            "at most {HOSTS_MAX} hosts can be named"
        )));
    }
    if let Some(host) = hosts.iter().find(|host| !is_host(host)) {
        let message =
            "must be an exact `host` or `host:port`, in lower case, without scheme or wildcard";
        return Err(hosts_invalid(format!("`{}` {message}", quoted(host))));
    }
    Ok(hosts)
}

/// The hosts that the release declares which the project runs, or would run if it subscribed now. A newer release that
/// the project did not agree to may name others.
async fn declared(
    server: &Server,
    caller: &Caller,
    name: &str,
    artifact: Option<&Artifact>,
) -> Result<Vec<String>, Problem> {
    let Some(artifact) = artifact else {
        let message = "without artifact_id, `hosts` must say where the secret may go";
        return Err(hosts_invalid(message.to_owned()));
    };
    let release = offer::release(server, caller, artifact).await?;
    let declared = release.and_then(|release| declared_hosts(&release, name));
    let declared = declared.ok_or_else(|| {
        hosts_invalid(format!(
            "the release that your project runs declares no credential {name}: `hosts` must be given"
        ))
    })?;
    named_hosts(declared)
}

/// Forgets a secret, at once. One that is not there is forgotten already.
#[utoipa::path(delete, path = "/v1/environment/{name}", tag = "environment",
    params(("name" = String, Path), EntryQuery), responses((status = 204)))]
pub(crate) async fn delete_entry(
    State(server): State<Shared>,
    caller: Caller,
    Segment(name): Segment,
    Params(query): Params<EntryQuery>,
) -> Result<NoContent, Problem> {
    caller.needs(Scope::Manage)?;
    check_name(&name)?;
    // One that has gone from the catalogue meanwhile still has its entries; what is no id never had any.
    let Ok(artifact) = query
        .artifact_id
        .as_deref()
        .map(str::parse::<ArtifactId>)
        .transpose()
    else {
        return Ok(NoContent);
    };
    let scope = EntryScope {
        owner: caller.owner(),
        artifact,
    };
    server.store.delete_entry(scope, name).await?;
    Ok(NoContent)
}

/// Lists the project's secrets by name: names, hosts and how each ends, never a value.
#[utoipa::path(get, path = "/v1/environment", tag = "environment", params(Paging),
    responses((status = 200, body = List<EntryView>)))]
pub(crate) async fn list_entries(
    State(server): State<Shared>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<List<EntryView>>, Problem> {
    caller.needs(Scope::Manage)?;
    let after = paging.cursor().map(place).transpose()?;
    let page = server
        .store
        .entries(caller.owner(), after, paging.limit()?)
        .await?;
    let next_cursor = page.next.map(|(name, artifact)| {
        format!(
            "{name}.{}",
            artifact.map(|it| it.to_string()).unwrap_or_default()
        )
    });
    Ok(Json(List {
        items: page.items.into_iter().map(view).collect(),
        next_cursor,
    }))
}

fn place(cursor: &str) -> Result<(String, Option<ArtifactId>), Problem> {
    let invalid = || bad_query("cursor is not a `next_cursor` of this list");
    let (name, artifact) = cursor.split_once('.').ok_or_else(invalid)?;
    let artifact = match artifact {
        "" => None,
        artifact => Some(artifact.parse().map_err(|_| invalid())?),
    };
    Ok((name.to_owned(), artifact))
}

fn view(entry: Entry) -> EntryView {
    EntryView {
        name: entry.name,
        artifact_id: entry.artifact.map(|it| it.to_string()),
        hosts: entry.hosts,
        allow_expose: entry.allow_expose,
        last4: entry.last4,
        created_at: entry.created_at.to_string(),
        updated_at: entry.updated_at.to_string(),
    }
}
