//! Requests of every kind from several threads, until the server is gone; and what of them it acknowledged.

use serde_json::{Value, json};
use std::thread::JoinHandle;
use tollgate_tests::packed;
use tollgate_tests::server::{Answer, Caller, JSON, WASM};

const THREADS: usize = 8;

/// What a server said that it did.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// Runs answered 200.
    pub(super) runs: Vec<String>,
    /// Runs answered 202.
    pub(super) queued: Vec<String>,
    /// Requests with an idempotency key, answered or not.
    pub(super) repeatable: Vec<Repeatable>,
    /// Texts of new keys.
    pub(super) keys: Vec<String>,
    /// New artifacts.
    pub(super) artifacts: Vec<String>,
}

/// A request with an idempotency key.
#[derive(Debug)]
pub(super) struct Repeatable {
    /// Its key, which is the run's `external_id`, too.
    pub(super) key: String,
    /// Its run, where it was answered.
    pub(super) run: Option<String>,
}

impl Repeatable {
    pub(super) fn body(&self) -> Vec<u8> {
        let body = json!({"input": {"markdown": "# again"}, "external_id": self.key});
        body.to_string().into_bytes()
    }
}

impl Acknowledged {
    pub(super) fn add(&mut self, more: Self) {
        self.runs.extend(more.runs);
        self.queued.extend(more.queued);
        self.repeatable.extend(more.repeatable);
        self.keys.extend(more.keys);
        self.artifacts.extend(more.artifacts);
    }

    fn counts(&self) -> [usize; 5] {
        let answered = self.repeatable.iter().filter(|it| it.run.is_some());
        [
            self.runs.len(),
            self.queued.len(),
            answered.count(),
            self.keys.len(),
            self.artifacts.len(),
        ]
    }

    pub(super) fn has_every_kind(&self) -> bool {
        self.counts().iter().all(|count| *count > 0)
    }

    pub(super) fn summary(&self) -> String {
        let [runs, queued, repeatable, keys, artifacts] = self.counts();
        let cut = self.repeatable.len() - repeatable;
        format!(
            "{runs} runs, {queued} async, {repeatable} idempotent (and {cut} cut), {keys} keys, {artifacts} artifacts"
        )
    }
}

/// Threads that ask until the server is gone.
pub(super) struct Load(Vec<JoinHandle<Acknowledged>>);

impl Load {
    pub(super) fn start(caller: &Caller, tool: &str, round: u32) -> Self {
        let thread = |thread: usize| {
            let (caller, tool) = (caller.clone(), tool.to_owned());
            std::thread::spawn(move || {
                let mut acknowledged = Acknowledged::default();
                for step in thread.. {
                    let name = format!("r{round}-t{thread}-s{step}");
                    if ask(&caller, &tool, step, name, &mut acknowledged).is_none() {
                        break;
                    }
                }
                acknowledged
            })
        };
        Self((0..THREADS).map(thread).collect())
    }

    pub(super) fn join(self) -> Acknowledged {
        let mut all = Acknowledged::default();
        for thread in self.0 {
            all.add(thread.join().expect("a thread of the load"));
        }
        all
    }
}

/// Asks once; `None` where the server is gone.
fn ask(
    caller: &Caller,
    tool: &str,
    step: usize,
    name: String,
    to: &mut Acknowledged,
) -> Option<()> {
    let path = format!("/v1/artifacts/{tool}/run");
    let body = json!({"input": {"markdown": "# once"}}).to_string();
    let run = |headers: &[(&str, &str)], body: &[u8]| caller.try_send("POST", &path, headers, body);
    match step % 5 {
        0 => {
            let answer = run(JSON, body.as_bytes()).ok()?;
            to.runs.extend(field(answer, 200, "run_id"));
        }
        1 => {
            let headers = [JSON[0], ("prefer", "respond-async")];
            let answer = run(&headers, body.as_bytes()).ok()?;
            to.queued.extend(field(answer, 202, "run_id"));
        }
        2 => {
            let request = Repeatable {
                key: name.clone(),
                run: None,
            };
            let answer = run(&[JSON[0], ("idempotency-key", &name)], &request.body());
            let is_gone = answer.is_err();
            let run = answer.ok().and_then(|answer| field(answer, 200, "run_id"));
            to.repeatable.push(Repeatable { run, ..request });
            if is_gone {
                return None;
            }
        }
        3 => {
            let body = json!({"name": name, "scopes": ["run"]}).to_string();
            let answer = caller.try_send("POST", "/v1/keys", JSON, body.as_bytes());
            to.keys.extend(field(answer.ok()?, 201, "key"));
        }
        _ => {
            let manifest = format!("name = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"\"\n");
            let wasm = packed(TOOL, &manifest);
            let answer = caller.try_send("POST", "/v1/artifacts", WASM, &wasm);
            to.artifacts.extend(field(answer.ok()?, 201, "id"));
        }
    }
    Some(())
}

const TOOL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

/// What was acknowledged. A full server may refuse; anything else is a failure.
fn field(answer: Answer, status: u16, name: &str) -> Option<String> {
    if answer.status == 503 {
        return None;
    }
    let body: Value = answer.expect(status);
    Some(body[name].as_str().expect("a text").to_owned())
}
