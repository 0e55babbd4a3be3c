//! A server's HTTP interface, as far as a seller needs it.

use crate::terminal;
use anyhow::{Context, anyhow};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use ureq::http::{HeaderValue, Response};
use ureq::typestate::{WithBody, WithoutBody};
use ureq::{Agent, Body, RequestBuilder, SendBody};

/// A server that is there accepts at once.
const CONNECT: Duration = Duration::from_secs(10);
/// One request in all: the largest tool over a slow line.
const REQUEST: Duration = Duration::from_secs(5 * 60);
/// No answer that a seller needs is larger: a tool's functions with their schemas.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks one server with one key. Blocks.
pub(super) struct Api {
    agent: Agent,
    server: String,
    key: HeaderValue,
}

/// What the server says, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `null` where it is no JSON.
    pub(super) body: Value,
}

impl Answer {
    /// The problem's name, for a refusal that has one.
    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Api {
    /// `server` is a URL without a slash at its end. Redirects are not followed: the key goes to no other server.
    pub(super) fn new(server: &str, key: &SecretString) -> anyhow::Result<Self> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(REQUEST))
            .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let mut key = HeaderValue::from_str(key.expose_secret()).map_err(|_| {
            anyhow!(
                "{} holds what no key holds: a line break, or a character beyond ASCII",
                super::KEY_VARIABLE
            )
        })?;
        key.set_sensitive(true);
        Ok(Self {
            agent,
            server: server.to_owned(),
            key,
        })
    }

    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.bodiless(self.agent.get(self.url(path)))
    }

    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.bodiless(self.agent.delete(self.url(path)))
    }

    /// Without a body.
    pub(super) fn post(&self, path: &str) -> anyhow::Result<Answer> {
        let request: RequestBuilder<WithBody> = self.agent.post(self.url(path));
        self.answer(request.header("x-api-key", &self.key).send_empty())
    }

    /// Sends a file, with progress. The server may refuse before it has the bytes: they are sent when it asks for
    /// them, or after a second.
    pub(super) fn upload(&self, path: &str, wasm: &[u8]) -> anyhow::Result<Answer> {
        let progress = terminal::upload(wasm.len() as u64);
        let mut bytes = progress.wrap_read(wasm);
        let sent = self
            .agent
            .post(self.url(path))
            .header("x-api-key", &self.key)
            .header("content-type", "application/wasm")
            .header("content-length", wasm.len())
            .header("expect", "100-continue")
            .send(SendBody::from_reader(&mut bytes));
        progress.finish_and_clear();
        self.answer(sent)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn bodiless(&self, request: RequestBuilder<WithoutBody>) -> anyhow::Result<Answer> {
        self.answer(request.header("x-api-key", &self.key).call())
    }

    fn answer(&self, sent: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Answer> {
        let cannot = || format!("cannot reach {}", self.server);
        let mut response = sent.with_context(cannot)?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_vec().with_context(cannot)?;
        Ok(Answer {
            status: response.status().as_u16(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}
