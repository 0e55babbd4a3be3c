//! Our server as a process of its own, with nothing in it.

use super::client::Client;
use super::past::Past;
use super::{Call, Process, one_thread, text};
use anyhow::Context;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the gate may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The database in the server's folder.
const DATABASE: &str = "data/tollgate.db";

/// The server, and the folder it has.
pub(super) struct Server {
    pub(super) process: Process,
    /// The operator's key.
    pub(super) operator: String,
    data: TempDir,
    variables: &'static [(&'static str, &'static str)],
    tokio: tokio::runtime::Runtime,
}

impl Server {
    /// With its defaults but for some variables. `None` where the program was not built beside this one.
    pub(super) fn start(variables: &'static [(&str, &str)]) -> anyhow::Result<Option<Self>> {
        let program = std::env::current_exe()?.with_file_name("tollgate");
        if !program.is_file() {
            return Ok(None);
        }
        let data = tempfile::tempdir()?;
        let operator = format!("tg_{:040}", 0);
        let process = process(&program, data.path(), variables, &operator)?;
        Ok(Some(Self {
            process,
            operator,
            data,
            variables,
            tokio: one_thread()?,
        }))
    }

    /// Kills it, gives its database a past, and starts it again.
    pub(super) fn restart_with(&mut self, past: Past) -> anyhow::Result<()> {
        self.process.end();
        let database = self.folder().join(DATABASE);
        past.write(&database)?;
        let program = std::env::current_exe()?.with_file_name("tollgate");
        self.process = process(&program, self.data.path(), self.variables, &self.operator)?;
        Ok(())
    }

    /// Kills it and starts it again: how long until it is ready.
    pub(super) fn restart(&mut self) -> anyhow::Result<Duration> {
        self.process.end();
        let program = std::env::current_exe()?.with_file_name("tollgate");
        let started_at = Instant::now();
        self.process = process(&program, self.data.path(), self.variables, &self.operator)?;
        self.ask(Call::new(Method::GET, "/readyz"))?;
        Ok(started_at.elapsed())
    }

    /// Where it keeps what it keeps.
    pub(super) fn folder(&self) -> &Path {
        self.data.path()
    }

    /// A new org's id and key.
    pub(super) fn org(&self, name: &str) -> anyhow::Result<(String, String)> {
        let call = Call::new(Method::POST, "/v1/orgs").with_key(&self.operator);
        let made = self.ask(call.with_json(&json!({"name": name})))?;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        Ok((text("id").context("an id")?, text("key").context("a key")?))
    }

    /// A new artifact's id, once it was asked to judge its draft. The name, where there is none in the file, is in the
    /// query.
    pub(super) fn judge(&self, key: &str, query: &str, wasm: Vec<u8>) -> anyhow::Result<String> {
        let post = |path: String| Call::new(Method::POST, path).with_key(key);
        let upload = Call {
            content_type: "application/wasm",
            body: Bytes::from(wasm),
            ..post(format!("/v1/artifacts{query}"))
        };
        let id = self.ask(upload)?["id"]
            .as_str()
            .context("an id")?
            .to_owned();
        self.ask(post(format!("/v1/artifacts/{id}/draft/validation")))?;
        Ok(id)
    }

    /// A new listed artifact's id.
    pub(super) fn publish(&self, key: &str, query: &str, wasm: Vec<u8>) -> anyhow::Result<String> {
        let id = self.judge(key, query, wasm)?;
        let validation = format!("/v1/artifacts/{id}/draft/validation");
        let given_up_at = Instant::now() + PATIENCE;
        loop {
            let verdict = self.ask(Call::new(Method::GET, &validation).with_key(key))?;
            if verdict["status"] == "ADMITTED" {
                break;
            }
            anyhow::ensure!(
                verdict["status"] == "PENDING" && Instant::now() < given_up_at,
                "`{id}` is not admitted: {verdict}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let publish = Call::new(Method::POST, format!("/v1/artifacts/{id}/publish"));
        self.ask(publish.with_key(key))?;
        Ok(id)
    }

    /// An answer that is good.
    pub(super) fn ask(&self, call: Call) -> anyhow::Result<Value> {
        self.tokio.block_on(async {
            let mut client = Client::connect(self.process.address).await?;
            good(&mut client, &call).await
        })
    }
}

/// An answer that is good.
pub(super) async fn good(client: &mut Client, call: &Call) -> anyhow::Result<Value> {
    let (status, body) = client.call(call).await?;
    anyhow::ensure!(
        (200..300).contains(&status),
        "{} {} answered {status}: {}",
        call.method,
        call.path,
        text(&body)
    );
    Ok(serde_json::from_slice(&body)?)
}

/// A run, with that input.
pub(super) fn run(artifact: &str, key: &str, input: Value) -> Call {
    let call = Call::new(Method::POST, format!("/v1/artifacts/{artifact}/run"));
    call.with_key(key).with_json(&json!({"input": input}))
}

/// The program, on a port of its own.
fn process(
    program: &Path,
    folder: &Path,
    variables: &[(&str, &str)],
    operator: &str,
) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .env("TOLLGATE_OPERATOR_KEY", operator)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    Process::start(
        command,
        |child| Some(Box::new(child.stdout.take()?)),
        |line| {
            let url = line.trim().strip_prefix("listening on http://")?;
            url.parse().ok()
        },
    )
}
