//! Steps 6 and 7: the input fits the tool, and what the tool needs is set.

use crate::problem::{Kind, Problem};
use crate::server::catalogue::tools;
use crate::server::edge::turns::{self, Length};
use crate::server::state::{Server, Shared};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_runtime::manifest::Manifest;
use tollgate_runtime::{
    Credential, Credentials, Limits, Missing, MissingReason, Prepared, Refused, Run,
};
use tollgate_store::{NewRun, OrgId};

/// What is asked of a tool, counted from now on, before anything is waited for.
pub(crate) fn held(
    server: &Server,
    org: OrgId,
    function: Option<&str>,
    input: Value,
) -> Result<Run, Problem> {
    let asked = match function {
        Some(function) => Run::new(function, input),
        None => Run::only(input),
    };
    Ok(server.runtime.hold(asked.owner(org.to_string()))?)
}

/// A run that nothing speaks against any more, and what loading its tool took.
pub(crate) async fn prepare(
    server: &Shared,
    run: &NewRun,
    asked: Run,
) -> Result<(Prepared, Duration), Problem> {
    let loading = Instant::now();
    let tool = tools::load(server, run.digest, run.owner.org).await?;
    let load = loading.elapsed();
    let credentials = match tool.manifest() {
        Some(manifest) if !manifest.credentials.is_empty() => {
            Box::pin(credentials(server, run, manifest)).await?
        }
        _ => Credentials::new(),
    };
    let asked = asked.credentials(credentials);
    let asked = match run.timeout_ms {
        Some(timeout_ms) => asked.limits(Limits {
            timeout: Duration::from_millis(u64::from(timeout_ms)),
            ..server.config.limits()
        }),
        None => asked,
    };
    let input_bytes = usize::try_from(run.input_bytes).unwrap_or(usize::MAX);
    let length = match Length::of_json(input_bytes) {
        // Adding up what judging takes looks at every part of the input: of a long one that is no work for this thread.
        Length::Short if !tool.is_judged_quickly(&asked) => Length::Long,
        length => length,
    };
    let turn = (run.owner.org, turns::Kind::Prepare);
    let preparing = server.turns.work(turn, length, move || tool.prepare(asked));
    let prepared = preparing.await?.map_err(|refused| named(refused, run))?;
    Ok((prepared, load))
}

/// Names the calls that set what is missing.
fn named(refused: Refused, run: &NewRun) -> Problem {
    let hint = match &refused {
        Refused::CredentialsMissing(missing) => missing.first().map(|first| hint(first, run)),
        _ => None,
    };
    let problem = Problem::from(refused);
    match hint {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// The exact call. It names the hosts: without them the server would take those of the release that the project runs
/// when the call arrives.
fn hint(missing: &Missing, run: &NewRun) -> String {
    let name = &missing.name;
    let hosts = missing.hosts.join(", ");
    let mut body = json!({
        "value": "…",
        "artifact_id": run.artifact.to_string(),
        "hosts": missing.hosts,
    });
    if missing.reason == MissingReason::Expose {
        body["allow_expose"] = json!(true);
    }
    let set = format!("`PUT /v1/environment/{name}` with a `manage` key and the body `{body}`");
    match missing.reason {
        MissingReason::Absent | MissingReason::Empty => {
            format!("Set it for this tool with {set}; it then goes to {hosts} only.")
        }
        MissingReason::Hosts => format!(
            "{name} is set, but may not go to every host this tool sends it to ({hosts}). If it may, set it again with {set}."
        ),
        MissingReason::Expose => format!(
            "This tool computes with {name} itself and would see it. If it may, set it again with {set}."
        ),
    }
}

/// What the caller has set for this artifact, and where each may go.
async fn credentials(
    server: &Server,
    run: &NewRun,
    manifest: &Manifest,
) -> Result<Credentials, Problem> {
    let names = manifest.credentials.keys().map(String::as_str);
    let secrets = server.store.secrets(run.owner, run.artifact, names).await?;
    let mut credentials = Credentials::new();
    for (name, entry) in secrets {
        let credential = Credential::new(entry.value.expose_secret()).map_err(|error| {
            tracing::error!(%error, "a kept secret is none");
            Problem::of(Kind::Internal)
        })?;
        let credential = credential.hosts(entry.hosts);
        let credential = match entry.allow_expose {
            true => credential.allow_expose(),
            false => credential,
        };
        credentials = credentials.with(name, credential);
    }
    Ok(credentials)
}
