//! Other people's servers, and one that does nothing.

use super::{Call, Process, Site, wait_until_listening};
use crate::guests;
use crate::ours::Ours;
use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::Method;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tollgate_runtime::{Run, Tool};

/// `wasmtime serve` with a limit as ours, without which a guest that spins is never interrupted.
pub(crate) struct Wasmtime {
    program: PathBuf,
    folder: TempDir,
    process: Process,
}

impl Wasmtime {
    /// With a guest that answers quickly or spins. `None` where it is not installed.
    pub(crate) fn start(references: &Path) -> anyhow::Result<Option<Self>> {
        Self::with(references, guests::serve()?)
    }

    /// With a guest that Rust built, and that reads JSON and answers JSON as [`BareAxum`] does.
    pub(crate) fn with_json(references: &Path) -> anyhow::Result<Option<Self>> {
        let folder = tollgate_fixtures::folder("web-server");
        Self::with(references, std::fs::read(folder.join("web-server.wasm"))?)
    }

    /// A request of JSON that is answered with JSON.
    pub(crate) fn json(&self) -> Call {
        json_call("/")
    }

    fn with(references: &Path, guest: Vec<u8>) -> anyhow::Result<Option<Self>> {
        let program = references.join("bin/wasmtime");
        if !program.is_file() {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("serve.wasm"), guest)?;
        let process = Self::process(&program, &folder)?;
        Ok(Some(Self {
            program,
            folder,
            process,
        }))
    }

    fn process(program: &Path, folder: &TempDir) -> anyhow::Result<Process> {
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--addr",
                "127.0.0.1:0",
                "-W",
                "timeout=30s",
                "-S",
                "cli",
            ])
            .arg(folder.path().join("serve.wasm"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Process::start(
            command,
            |child: &mut Child| Some(Box::new(child.stderr.take()?)),
            |line| {
                let (_, url) = line.split_once("http://")?;
                url.trim_end_matches('/').parse().ok()
            },
        )
    }
}

impl Site for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime serve"
    }

    fn address(&self) -> SocketAddr {
        self.process.address
    }

    fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    fn quick(&self) -> Call {
        Call::new(Method::GET, "/")
    }

    fn spinning(&self, _: usize) -> Call {
        Call::new(Method::POST, "/")
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        self.process = Self::process(&self.program, &self.folder)?;
        Ok(())
    }
}

/// workerd with a script that does the same.
pub(crate) struct Workerd {
    program: PathBuf,
    folder: TempDir,
    process: Child,
    address: SocketAddr,
}

const WORKER: &str = r#"
export default {
  fetch(request) {
    if (request.method === "POST") for (;;);
    return new Response();
  },
};
"#;

impl Workerd {
    /// `None` where it is not installed, or does not start on this machine.
    pub(crate) fn start(references: &Path) -> anyhow::Result<Option<Self>> {
        let program = references.join("node_modules/@cloudflare/workerd-linux-64/bin/workerd");
        if !program.is_file() {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("worker.js"), WORKER)?;
        let (process, address) = Self::process(&program, &folder)?;
        Ok(Some(Self {
            program,
            folder,
            process,
            address,
        }))
    }

    fn process(program: &Path, folder: &TempDir) -> anyhow::Result<(Child, SocketAddr)> {
        // It does not say which port it took.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2025-01-01"))],
  sockets = [(name = "http", address = "{address}", http = (), service = "main")]);
"#
        );
        let file = folder.path().join("config.capnp");
        std::fs::write(&file, config)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("workerd")?;
        wait_until_listening(address).context("workerd")?;
        Ok((child, address))
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Site for Workerd {
    fn name(&self) -> &'static str {
        "workerd"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process_id(&self) -> u32 {
        self.process.id()
    }

    fn quick(&self) -> Call {
        Call::new(Method::GET, "/")
    }

    fn spinning(&self, _: usize) -> Call {
        Call::new(Method::POST, "/")
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        self.end();
        (self.process, self.address) = Self::process(&self.program, &self.folder)?;
        Ok(())
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        self.end();
    }
}

/// A handler in a process of its own: what HTTP alone costs.
pub(crate) struct BareAxum {
    process: Process,
}

impl BareAxum {
    /// One that does nothing.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::process(&["bare-axum"])
    }

    /// One that runs the no-op tool by the library, and nothing else.
    pub(crate) fn with_no_op() -> anyhow::Result<Self> {
        Self::process(&["bare-axum", "--runs"])
    }

    fn process(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdout(Stdio::piped());
        let process = Process::start(
            command,
            |child: &mut Child| Some(Box::new(child.stdout.take()?)),
            |line| line.parse().ok(),
        )?;
        Ok(Self { process })
    }
}

/// That process: prints its address, and serves until it is killed.
pub(crate) fn serve_bare_axum(runs: bool) -> anyhow::Result<()> {
    let ours = runs.then(Ours::new).transpose()?;
    let tool = ours.as_ref().map(|ours| ours.load(&guests::no_op()?));
    let tool = tool.transpose()?;

    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    tokio.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let json = match tool {
            Some(tool) => post(run_handler).with_state(tool),
            None => post(json_handler),
        };
        let router = Router::new().route("/", get(async || ""));
        let router = router.route("/json", json);
        Ok(axum::serve(listener, router).await?)
    })
}

/// Reads JSON and answers JSON, as the front does around a run.
async fn json_handler(Json(request): Json<Value>) -> Json<Value> {
    Json(json!({"status": "SUCCEEDED", "output": request["input"]["value"]}))
}

/// The same of a run's input and output.
async fn run_handler(
    State(tool): State<Tool>,
    Json(mut request): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let run = Run::new("same", request["input"].take()).owner("ours");
    match tool.run(run).await.map(|outcome| outcome.result) {
        Ok(Ok(output)) => Ok(Json(json!({"status": "SUCCEEDED", "output": output}))),
        _ => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl BareAxum {
    /// A request of JSON that is answered with JSON.
    pub(crate) fn json(&self) -> Call {
        json_call("/json")
    }
}

fn json_call(path: &str) -> Call {
    Call::new(Method::POST, path).with_json(&json!({"input": {"value": 7}}))
}

impl Site for BareAxum {
    fn name(&self) -> &'static str {
        "bare axum handler"
    }

    fn address(&self) -> SocketAddr {
        self.process.address
    }

    fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    fn quick(&self) -> Call {
        Call::new(Method::GET, "/")
    }

    fn spinning(&self, _: usize) -> Call {
        self.quick()
    }

    fn quiet(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
