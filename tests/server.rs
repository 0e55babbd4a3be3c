//! A real server as a process of its own, and a client that talks to it.

use crate::{command, ended, exit_within, holds_within, start};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use ureq::http::{HeaderMap, Request};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(60);

/// A server in a folder of its own, on a port of its own, killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's key, printed at the first start.
    pub operator: Option<String>,
    child: Child,
    log: Arc<Mutex<String>>,
    folder: Arc<TempDir>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as JSON; a string where it is none.
    pub body: Value,
}

/// Somebody with a key.
#[derive(Debug, Clone)]
pub struct Caller {
    agent: ureq::Agent,
    address: SocketAddr,
    /// The key's text; nothing is sent where it is empty.
    pub key: String,
    /// The org's id, where it was made by the tests.
    pub org: String,
}

impl Server {
    /// Starts a server on an empty folder.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with environment variables.
    pub fn start_with(variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self::start_in(Arc::new(folder), variables)
    }

    /// Starts a server on a folder.
    ///
    /// # Panics
    ///
    /// Where it does not listen within a minute.
    pub fn start_in(folder: Arc<TempDir>, variables: &[(&str, &str)]) -> Self {
        let data = folder.path().join("data");
        let data = data.to_str().expect("a path in UTF-8");
        let mut program = command(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
        program.envs(variables.iter().copied());
        let mut child = start(program);
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().expect("piped"), Arc::clone(&log));
        let (sender, started) = std::sync::mpsc::channel();
        let (stdout, said) = (child.stdout.take().expect("piped"), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let _ = sender.send(read_start(&mut lines));
            collect(lines, said);
        });
        let started = started
            .recv_timeout(START)
            .map_err(|error| error.to_string());
        let (address, operator) = started.flatten().unwrap_or_else(|said| {
            let _ = child.kill();
            panic!("no server: {said}\n{}", log.lock().expect("a log"))
        });
        Self {
            address,
            operator,
            child,
            log,
            folder,
        }
    }

    /// Somebody with that key.
    pub fn caller(&self, key: &str) -> Caller {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(90)))
            .build();
        Caller {
            agent: config.into(),
            address: self.address,
            key: key.to_owned(),
            org: String::new(),
        }
    }

    /// The operator.
    ///
    /// # Panics
    ///
    /// Where this is not the folder's first start.
    pub fn operator(&self) -> Caller {
        self.caller(self.operator.as_deref().expect("the first start"))
    }

    /// A project of a new org, with its `manage` key and more tokens than tests spend.
    pub fn org(&self, name: &str) -> Caller {
        self.org_with(name, 1_000_000)
    }

    /// The same with so many tokens.
    pub fn org_with(&self, name: &str, tokens: u64) -> Caller {
        let operator = self.operator();
        let made = operator.post("/v1/orgs", &json!({"name": name}));
        let made = made.expect(201);
        if tokens > 0 {
            let credit = json!({"org_id": made["id"], "tokens": tokens, "reason": "a test"});
            operator.post("/v1/wallet/credits", &credit).expect(201);
        }
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        Caller {
            org: text("id"),
            ..self.caller(&text("key"))
        }
    }

    /// What it has logged and printed so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("a log").clone()
    }

    /// Its folder, to be given to the next.
    pub fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// Where its data is.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a power failure would, and leaves its folder.
    pub fn kill(mut self) -> Arc<TempDir> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.folder()
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.expect("kill is there").success());
    }

    /// Waits for its end, and gives its exit code.
    pub fn exit_within(&mut self, time: Duration) -> Option<i32> {
        exit_within(&mut self.child, time)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().expect("a log");
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The address and, on a first start, the operator's key.
fn read_start(lines: &mut BufReader<ChildStdout>) -> Result<(SocketAddr, Option<String>), String> {
    let mut said = String::new();
    let mut address = None;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).is_ok_and(|bytes| bytes == 0) {
            return Err(said);
        }
        said.push_str(&line);
        let line = line.trim();
        if let Some(url) = line.strip_prefix("listening on http://") {
            address = url.parse().ok();
        }
        if let Some(key) = line.strip_prefix("operator key, shown this once: ") {
            return Ok((address.ok_or(said)?, Some(key.to_owned())));
        }
        if line == "ready" {
            return Ok((address.ok_or(said)?, None));
        }
    }
}

impl Caller {
    /// The same caller with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// Where there is no answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same where the server may be gone.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if !self.key.is_empty() {
            request = request.header("x-api-key", &self.key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_vec()).expect("a request");
        let mut response = self.agent.run(request)?;
        let text = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    /// `GET`
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, JSON, body.to_string().as_bytes())
    }

    /// `PUT` of JSON.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, JSON, body.to_string().as_bytes())
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    /// Uploads bytes as a new artifact.
    pub fn upload(&self, wasm: &[u8]) -> Answer {
        self.send("POST", "/v1/artifacts", WASM, wasm)
    }

    /// Uploads a fixture, and gives the artifact's id.
    pub fn artifact(&self, fixture: &str) -> String {
        let made = self.upload(&tollgate_fixtures::packed_bytes(fixture));
        made.expect(201)["id"].as_str().expect("an id").to_owned()
    }

    /// Has an artifact's draft validated, and gives the verdict.
    ///
    /// # Panics
    ///
    /// Where there is none within two minutes.
    pub fn validate(&self, artifact: &str) -> Value {
        let path = format!("/v1/artifacts/{artifact}/draft/validation");
        self.send("POST", &path, &[], b"").expect(202);
        let mut verdict = Value::Null;
        let is_judged = holds_within(Duration::from_secs(120), || {
            verdict = self.get(&path).expect(200);
            verdict["status"] != "PENDING"
        });
        assert!(is_judged, "{artifact} was not judged");
        verdict
    }

    /// Uploads, validates and publishes a fixture, and gives the artifact's id.
    pub fn published(&self, fixture: &str) -> String {
        self.publish(&tollgate_fixtures::packed_bytes(fixture))
    }

    /// The same of any tool.
    ///
    /// # Panics
    ///
    /// Where it is not admitted.
    pub fn publish(&self, wasm: &[u8]) -> String {
        let made = self.upload(wasm).expect(201);
        let id = made["id"].as_str().expect("an id").to_owned();
        let verdict = self.validate(&id);
        assert_eq!(verdict["status"], "ADMITTED", "{verdict}");
        self.send("POST", &format!("/v1/artifacts/{id}/publish"), &[], b"")
            .expect(201);
        id
    }

    /// Subscribes to another project's artifact, and gives the subscription's id.
    pub fn subscribe(&self, artifact: &str) -> String {
        let made = self.post("/v1/subscriptions", &json!({"artifact_id": artifact}));
        made.expect(201)["id"].as_str().expect("an id").to_owned()
    }

    /// Runs an artifact's active release.
    pub fn run(&self, artifact: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/artifacts/{artifact}/run"), body)
    }
}

/// The header of a JSON body.
pub const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
/// The header of a tool's bytes.
pub const WASM: &[(&str, &str)] = &[("content-type", "application/wasm")];

impl Answer {
    /// The body of an answer with that status.
    ///
    /// # Panics
    ///
    /// Where the status is another.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Whether the answer is this problem, in the form that every problem has.
    ///
    /// # Panics
    ///
    /// Where it is another, or none.
    pub fn expect_problem(self, status: u16, code: &str, detail: &str) -> Value {
        let body = self.body;
        assert_eq!(
            (self.status, body["code"].as_str(), body["detail"].as_str()),
            (status, Some(code), Some(detail)),
            "{body}"
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(
            body["request_id"]
                .as_str()
                .is_some_and(|id| id.starts_with("req_")),
            "{body}"
        );
        assert!(
            body["retryable"].is_boolean() && body["act"].is_string(),
            "{body}"
        );
        assert!(body.to_string().len() < 8 * 1024);
        body
    }
}

/// Every byte that is kept in a folder, with the file it is in.
///
/// # Panics
///
/// Where it cannot be read.
pub fn files_below(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap_or_default()));
        }
    }
    files
}

/// Starts the program as a server that must not start, and gives what it says.
pub fn refused_start(arguments: &[&str], variables: &[(&str, &str)]) -> crate::Ended {
    let mut program = command(arguments);
    program.envs(variables.iter().copied());
    ended(start(program))
}
