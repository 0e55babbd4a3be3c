//! Our server: a process with its defaults but for the rate limits, two listed tools, and an org for every neighbour.

use super::client::Client;
use super::{Call, MANY, Process, Site, one_thread, text};
use crate::guests;
use anyhow::Context;
use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the gate may take, and cancelled runs to be gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// One key sends everything, over hundreds of connections.
const UNLIMITED: [(&str, &str); 3] = [
    ("TOLLGATE_RATE__KEY_PER_S", "0"),
    ("TOLLGATE_RATE__ORG_PER_S", "0"),
    ("TOLLGATE_RATE__ORG_RUNS", "0"),
];
const START_OF_KEY: &str = "operator key, shown this once: ";

pub(crate) struct Tollgate {
    process: Process,
    tokio: tokio::runtime::Runtime,
    _data: TempDir,
    key: String,
    neighbours: Vec<String>,
    no_op: String,
    spin: String,
}

impl Tollgate {
    /// `None` where the program was not built beside this one.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let program = std::env::current_exe()?.with_file_name("tollgate");
        if !program.is_file() {
            return Ok(None);
        }
        let data = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .envs(UNLIMITED)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let operator = Arc::new(Mutex::new(String::new()));
        let process = Process::start(
            command,
            |child| Some(Box::new(child.stdout.take()?)),
            reads_start(Arc::clone(&operator)),
        )?;
        let operator = operator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut tollgate = Self {
            process,
            tokio: one_thread()?,
            _data: data,
            key: String::new(),
            neighbours: Vec::new(),
            no_op: String::new(),
            spin: String::new(),
        };
        tollgate.furnish(&operator)?;
        Ok(Some(tollgate))
    }

    fn furnish(&mut self, operator: &str) -> anyhow::Result<()> {
        self.key = self.org(operator, "ours")?;
        for index in 0..MANY {
            let key = self.org(operator, &format!("neighbour-{index}"))?;
            self.neighbours.push(key);
        }
        self.no_op = self.publish("no-op", guests::no_op()?)?;
        self.spin = self.publish("spin", guests::spin()?)?;
        Ok(())
    }

    /// A new org's key.
    fn org(&self, operator: &str, name: &str) -> anyhow::Result<String> {
        let call = Call::new(Method::POST, "/v1/orgs").with_key(operator);
        let made = self.ask(call.with_json(&json!({"name": name})))?;
        Ok(made["key"].as_str().context("a key")?.to_owned())
    }

    /// A new listed artifact's id.
    fn publish(&self, name: &str, wasm: Vec<u8>) -> anyhow::Result<String> {
        let upload = Call {
            content_type: "application/wasm",
            body: Bytes::from(wasm),
            ..self.post(format!("/v1/artifacts?name={name}"))
        };
        let id = self.ask(upload)?["id"]
            .as_str()
            .context("an id")?
            .to_owned();
        let validation = format!("/v1/artifacts/{id}/draft/validation");
        self.ask(self.post(&validation))?;
        let given_up_at = Instant::now() + PATIENCE;
        loop {
            let verdict = self.ask(Call::new(Method::GET, &validation).with_key(&self.key))?;
            if verdict["status"] == "ADMITTED" {
                break;
            }
            anyhow::ensure!(
                verdict["status"] == "PENDING" && Instant::now() < given_up_at,
                "`{name}` is not admitted: {verdict}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        self.ask(self.post(format!("/v1/artifacts/{id}/publish")))?;
        Ok(id)
    }

    fn post(&self, path: impl Into<String>) -> Call {
        Call::new(Method::POST, path).with_key(&self.key)
    }

    fn run(artifact: &str, key: &str, input: Value) -> Call {
        let call = Call::new(Method::POST, format!("/v1/artifacts/{artifact}/run"));
        call.with_key(key).with_json(&json!({"input": input}))
    }

    /// An answer that is good.
    fn ask(&self, call: Call) -> anyhow::Result<Value> {
        let (status, body) = self.tokio.block_on(async {
            let mut client = Client::connect(self.process.address).await?;
            client.call(&call).await
        })?;
        anyhow::ensure!(
            (200..300).contains(&status),
            "{} {} answered {status}: {}",
            call.method,
            call.path,
            text(&body)
        );
        Ok(serde_json::from_slice(&body)?)
    }

    /// Cancels what runs with that key; how many runs that were.
    fn cancel(&self, key: &str) -> anyhow::Result<usize> {
        let list = Call::new(Method::GET, "/v1/runs?status=RUNNING").with_key(key);
        let runs = self.ask(list)?;
        let runs = runs["items"].as_array().context("a list")?;
        for run in runs {
            let id = run["run_id"].as_str().context("an id")?;
            let cancel = Call::new(Method::POST, format!("/v1/runs/{id}/cancel"));
            // One that ends meanwhile needs no cancelling.
            let _ = self.ask(cancel.with_key(key));
        }
        Ok(runs.len())
    }
}

/// Finds the address and, before it, the operator's key.
fn reads_start(
    operator: Arc<Mutex<String>>,
) -> impl FnMut(&str) -> Option<SocketAddr> + Send + 'static {
    let mut address = None;
    move |line| {
        if let Some(url) = line.trim().strip_prefix("listening on http://") {
            address = url.parse().ok();
        }
        let key = line.trim().strip_prefix(START_OF_KEY)?;
        *operator.lock().unwrap_or_else(PoisonError::into_inner) = key.to_owned();
        address
    }
}

impl Site for Tollgate {
    fn name(&self) -> &'static str {
        "tollgate serve"
    }

    fn address(&self) -> SocketAddr {
        self.process.address
    }

    fn quick(&self) -> Call {
        Self::run(&self.no_op, &self.key, json!({"value": 7}))
    }

    fn spinning(&self, neighbour: usize) -> Call {
        Self::run(&self.spin, &self.neighbours[neighbour], json!({}))
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        let given_up_at = Instant::now() + PATIENCE;
        for key in &self.neighbours {
            while self.cancel(key)? > 0 {
                anyhow::ensure!(
                    Instant::now() < given_up_at,
                    "runs that were cancelled go on"
                );
            }
        }
        Ok(())
    }
}
