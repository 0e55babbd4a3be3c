//! From a file to a release: upload, verdict, publish.

use super::api::{Answer, Api};
use super::found;
use crate::report;
use crate::terminal;
use anyhow::anyhow;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tollgate_validator::is_tool_name;

/// A verdict that takes longer is not coming.
const VERDICT: Duration = Duration::from_secs(10 * 60);
/// The verdict is asked for less and less often, down to so often.
const POLL_MAX: Duration = Duration::from_secs(2);

/// One file on its way.
pub(super) struct Publishing<'a> {
    api: &'a Api,
    name: &'a str,
    /// As its manifest has it.
    version: Option<&'a str>,
    wasm: &'a [u8],
    /// Before the verdict is asked for the first time.
    poll: Duration,
}

/// What the server made of it.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) artifact_id: String,
    /// The release, as the server sent it.
    pub(super) release: Value,
    /// The artifact, or `null` where it could not be read afterwards.
    pub(super) artifact: Value,
}

/// What the server has of a file.
enum Uploaded {
    /// The draft of the artifact with this id.
    Draft(String),
    /// A release, by an earlier attempt whose answer was lost.
    Released(Published),
}

/// Why there is no release.
#[derive(Debug)]
pub(super) enum Stop {
    /// The server refuses a step, with this problem.
    Refused(Value),
    /// The gate does, with this verdict.
    Rejected(Value),
    /// There is no server, or it fails.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Stop::Failed(error)
    }
}

impl<'a> Publishing<'a> {
    pub(super) fn new(
        api: &'a Api,
        (name, version): (&'a str, Option<&'a str>),
        wasm: &'a [u8],
        poll: Duration,
    ) -> Self {
        Self {
            api,
            name,
            version,
            wasm,
            poll,
        }
    }

    pub(super) fn publish(&self) -> Result<Published, Stop> {
        let artifact_id = match self.upload()? {
            Uploaded::Draft(id) => id,
            Uploaded::Released(published) => return Ok(published),
        };
        let path = format!("/v1/artifacts/{artifact_id}");
        self.validate(&path)?;
        let publish = format!("{path}/publish");
        let release = self.expect(201, self.api.post(&publish)?, &publish)?;
        // It is released: that its example cannot be read now changes nothing.
        let artifact = match self.api.get(&path) {
            Ok(Answer { status: 200, body }) => body,
            _ => Value::Null,
        };
        Ok(Published {
            artifact_id,
            release,
            artifact,
        })
    }

    /// Makes the file a draft: of the artifact that has its name, or of a new one. Says which. What the server has
    /// already is not sent again, and what is released already is published.
    fn upload(&self) -> Result<Uploaded, Stop> {
        let id = match self.find()? {
            Some(id) => id,
            None => {
                let path = "/v1/artifacts";
                let answer = self.api.upload(path, self.wasm)?;
                if answer.status != 409 || answer.code() != "artifact_exists" {
                    let artifact = self.expect(201, answer, path)?;
                    return self.id(&artifact["id"]).map(Uploaded::Draft);
                }
                self.id(&answer.body["artifact_id"])?
            }
        };
        let path = format!("/v1/artifacts/{id}");
        let artifact = self.expect(200, self.api.get(&path)?, &path)?;
        let digest = format!("sha256:{:x}", Sha256::digest(self.wasm));
        let release = &artifact["active_release"];
        let released = release["version"].as_str();
        let is_same_version =
            released.is_some() && self.version.is_none_or(|it| Some(it) == released);
        if is_same_version && release["digest"] == digest {
            terminal::note("this file is the active release already: nothing is sent");
            return Ok(Uploaded::Released(Published {
                artifact_id: id,
                release: release.clone(),
                artifact,
            }));
        }
        self.not_released(&path, released)?;
        let path = format!("{path}/draft");
        match artifact["draft"]["digest"].as_str() {
            Some(draft) if draft == digest => {
                terminal::note("the server has this file already: going on with it");
                return Ok(Uploaded::Draft(id));
            }
            Some(_) => {
                self.expect(204, self.api.delete(&path)?, &path)?;
                terminal::note("an older draft that was not published gives way to this file");
            }
            None => {}
        }
        self.expect(201, self.api.upload(&path, self.wasm)?, &path)?;
        Ok(Uploaded::Draft(id))
    }

    /// Refuses the version that a release has, as far as the active one and the newest hundred say: the server would, once
    /// it had the file and had judged it.
    fn not_released(&self, artifact: &str, active: Option<&str>) -> Result<(), Stop> {
        let Some(version) = self.version else {
            return Ok(());
        };
        if active == Some(version) {
            return Err(Stop::Refused(version_exists(version)));
        }
        let path = format!("{artifact}/releases?limit=100");
        let released = self.expect(200, self.api.get(&path)?, &path)?;
        let mut items = released["items"].as_array().into_iter().flatten();
        match items.any(|release| release["version"] == version) {
            true => Err(Stop::Refused(version_exists(version))),
            false => Ok(()),
        }
    }

    /// The project's artifact of that name, as far as the server finds it.
    fn find(&self) -> Result<Option<String>, Stop> {
        // A tool's name has nothing in it that a query would have to escape; what is none is refused by the server.
        if !is_tool_name(self.name) {
            return Ok(None);
        }
        let path = format!("/v1/artifacts?mine=true&q={}", self.name);
        let found = self.expect(200, self.api.get(&path)?, &path)?;
        let mut items = found["items"].as_array().into_iter().flatten();
        let named = items.find(|artifact| artifact["name"] == self.name);
        named.map(|artifact| self.id(&artifact["id"])).transpose()
    }

    /// Has the draft judged, and waits for the verdict.
    fn validate(&self, artifact: &str) -> Result<(), Stop> {
        let path = format!("{artifact}/draft/validation");
        let progress =
            terminal::late_progress(format!("validating {}", terminal::plain_lines(self.name)));
        let verdict = self.verdict(&path);
        progress.finish_and_clear();
        let verdict = verdict?;
        match verdict["status"].as_str() {
            Some("ADMITTED") => {
                let notes = found(&verdict["notes"]);
                notes
                    .iter()
                    .for_each(|note| terminal::note(report::shown_note(note)));
                Ok(())
            }
            Some("REJECTED") => Err(Stop::Rejected(verdict)),
            _ => Err(self.unexpected("a verdict that this program does not know")),
        }
    }

    fn verdict(&self, path: &str) -> Result<Value, Stop> {
        let (started, mut poll) = (Instant::now(), self.poll);
        let mut verdict = self.expect(202, self.api.post(path)?, path)?;
        while verdict["status"] == "PENDING" {
            if started.elapsed() > VERDICT {
                let minutes = VERDICT.as_secs() / 60;
                return Err(self.unexpected(&format!(
                    "no verdict within {minutes} min; publishing again goes on from here"
                )));
            }
            std::thread::sleep(poll);
            poll = (poll + poll / 4).min(POLL_MAX);
            verdict = self.expect(200, self.api.get(path)?, path)?;
        }
        Ok(verdict)
    }

    /// The body of an answer with that status. 4xx are refusals, everything else is a server's fault.
    fn expect(&self, status: u16, answer: Answer, path: &str) -> Result<Value, Stop> {
        if answer.status == status {
            return Ok(answer.body);
        }
        if (400..500).contains(&answer.status) && answer.body["detail"].is_string() {
            return Err(Stop::Refused(answer.body));
        }
        let mut text = format!("{} to {path}", answer.status);
        if let Some(detail) = answer.body["detail"].as_str() {
            text = format!("{text}: {}", terminal::plain_lines(detail));
        }
        if let Some(id) = answer.body["request_id"].as_str() {
            text = format!("{text} ({})", terminal::plain_lines(id));
        }
        Err(self.unexpected(&text))
    }

    /// An id that may stand in a path.
    fn id(&self, id: &Value) -> Result<String, Stop> {
        let is_plain = |id: &&str| {
            !id.is_empty()
                && id
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'_')
        };
        match id.as_str().filter(is_plain) {
            Some(id) => Ok(id.to_owned()),
            None => Err(self.unexpected("without the artifact's id; is it a Tollgate server?")),
        }
    }

    fn unexpected(&self, what: &str) -> Stop {
        Stop::Failed(anyhow!("{} answers {what}", self.api.server()))
    }
}

/// What the server would say to the draft, said before it is sent.
fn version_exists(version: &str) -> Value {
    json!({
        "code": "version_exists",
        "detail": format!("version {version} is released already"),
        "hint": "Raise `version` in tool.toml, or leave it out and the server counts. `tollgate diff OLD NEW` shows what the release changes.",
    })
}
