//! Steps 6 and 7: the input fits the tool, and what the tool needs is set.

use super::state::Server;
use crate::problem::{Kind, Problem};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::time::{Duration, Instant};
use tollgate_runtime::{Credential, Credentials, Limits, Prepared, Run};
use tollgate_store::NewRun;

/// A run that nothing speaks against any more, and what loading its tool took.
pub(crate) async fn prepare(
    server: &Server,
    run: &NewRun,
    input: Value,
) -> Result<(Prepared, Duration), Problem> {
    let loading = Instant::now();
    let tool = server.tools.load(server, run.digest).await?;
    let load = loading.elapsed();
    let wants_credentials = tool.manifest().is_some_and(|it| !it.credentials.is_empty());
    let credentials = match wants_credentials {
        true => credentials(server, run).await?,
        false => Credentials::new(),
    };
    let asked = match &run.function {
        Some(function) => Run::new(function, input),
        None => Run::only(input),
    };
    let asked = asked
        .owner(run.owner.0.to_string())
        .credentials(credentials);
    let asked = match run.timeout_ms {
        Some(timeout_ms) => asked.limits(Limits {
            timeout: Duration::from_millis(u64::from(timeout_ms)),
            ..server.config.limits()
        }),
        None => asked,
    };
    Ok((tool.prepare(asked)?, load))
}

/// What the caller has set for this artifact, and where each may go.
async fn credentials(server: &Server, run: &NewRun) -> Result<Credentials, Problem> {
    let secrets = server.store.secrets(run.owner, run.artifact).await?;
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
