//! What is told of a request when it is over: its span, without secrets and placeholders.

use super::State;
use crate::exchange::{Refused, RunSecrets};
use crate::spans::{Attribute, OpenSpan};
use http::request::Parts;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wasmtime_wasi_http::Error;

/// The most characters of a path that a span shows.
const SPAN_PATH_MAX: usize = 256;

/// The attribute of a refused request that says which credential it carried.
pub const MISDIRECTED: &str = "credential";

/// What is told of a request when it is over.
#[derive(Debug)]
pub(super) struct Record {
    span: OpenSpan,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    end: Mutex<End>,
}

#[derive(Debug, Default)]
struct End {
    status: Option<u16>,
    refused: Option<String>,
    /// Which credential was on its way to where it may not go.
    misdirected: Option<String>,
    error: Option<String>,
    broken_off: Option<Error>,
}

impl Record {
    pub(super) fn new(state: &State, parts: &Parts) -> Self {
        let secrets = &state.grant.secrets;
        let host = parts.uri.authority().map_or("", |it| it.as_str());
        let name = shown(secrets, format!("{} {host}", parts.method));
        let path = shown(secrets, path_template(parts));
        Self {
            span: state
                .grant
                .spans
                .begin(name, vec![("path", Attribute::Text(path))]),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            end: Mutex::default(),
        }
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refuse(&self, refused: &Refused) {
        match refused {
            Refused::Credential(name) => {
                self.end().misdirected.get_or_insert_with(|| name.clone());
                self.refuse_as(&format!("credential {name} may not go there"))
            }
            Refused::Broken => {
                self.refuse_as("the secret does not fit where its placeholder stood")
            }
        }
    }

    pub(super) fn refuse_as(&self, reason: &str) {
        self.end().refused.get_or_insert_with(|| reason.to_owned());
    }

    /// The request's body ended with an error.
    pub(super) fn break_off(&self, error: &Error) {
        self.end().broken_off = Some(again(error));
    }

    pub(super) fn broken_off(&self) -> Option<Error> {
        self.end().broken_off.take()
    }

    pub(super) fn answered(&self, status: u16) {
        self.end().status = Some(status);
    }

    pub(super) fn fail(&self, error: &Error) {
        self.end().error.get_or_insert_with(|| error.to_string());
    }
}

/// The request is over once nobody holds its record any more.
impl Drop for Record {
    fn drop(&mut self) {
        let end = std::mem::take(self.end.get_mut().unwrap_or_else(PoisonError::into_inner));
        let number = |counter: &AtomicU64| Attribute::Number(counter.load(Ordering::Relaxed));
        let mut attributes = vec![
            ("bytes_out", number(&self.bytes_out)),
            ("bytes_in", number(&self.bytes_in)),
        ];
        attributes.extend(
            end.status
                .map(|it| ("status", Attribute::Number(it.into()))),
        );
        attributes.extend(end.refused.map(|it| ("refused", Attribute::Text(it))));
        attributes.extend(end.misdirected.map(|it| (MISDIRECTED, Attribute::Text(it))));
        attributes.extend(end.error.map(|it| ("error", Attribute::Text(it))));
        self.span.end(attributes);
    }
}

/// A path with the names of what is asked for and none of the values.
fn path_template(parts: &Parts) -> String {
    let mut template = parts.uri.path().to_owned();
    let names = parts.uri.query().into_iter().flat_map(|it| it.split('&'));
    for (index, pair) in names.enumerate() {
        template.push(if index == 0 { '?' } else { '&' });
        template.push_str(pair.split('=').next().unwrap_or_default());
    }
    template
}

/// For people: without placeholders, without control characters, not long.
fn shown(secrets: &RunSecrets, text: String) -> String {
    let named = secrets.named(text);
    if named.len() <= SPAN_PATH_MAX && !named.contains(char::is_control) {
        return named;
    }
    let plain = named.chars().filter(|c| !c.is_control());
    plain.take(SPAN_PATH_MAX).collect()
}

/// The errors that a request's body ends with, again: they cannot be copied.
pub(super) fn again(error: &Error) -> Error {
    match error {
        Error::HttpRequestBodySize(size) => Error::HttpRequestBodySize(*size),
        Error::HttpRequestDenied => Error::HttpRequestDenied,
        Error::HttpProtocolError => Error::HttpProtocolError,
        _ => Error::ConnectionTerminated,
    }
}
