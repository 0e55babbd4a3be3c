//! What a caller asks of a run: its body and its preference.

use crate::problem::Problem;
use crate::problem::unprocessable;
use crate::server::edge::body::{parsed, shaped};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use utoipa::ToSchema;

const EXTERNAL_ID_BYTES_MAX: usize = 256;
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A run's body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct RunRequest {
    /// As the function's `input_schema` says.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Value, required, example = json!({"markdown": "# Hello"}))]
    pub(crate) input: Value,
    /// May be left out where the tool has one.
    pub(crate) function: Option<String>,
    /// Refuses a run that would cost more tokens.
    pub(crate) max_price: Option<u64>,
    /// Shortens the limit.
    #[schema(minimum = 1)]
    pub(crate) timeout_ms: Option<u32>,
    /// The caller's own name for the run, at most 256 bytes.
    #[schema(max_length = 256)]
    pub(crate) external_id: Option<String>,
    /// Whether the tool's seller may see what it said when it failed. Default: only of the seller's own runs.
    pub(crate) share_diagnostics: Option<bool>,
}

/// Null is an input, nothing is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Value::deserialize(deserializer)
}

/// How a caller wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preference {
    /// When the run has ended.
    Answer,
    /// At once, or after so long where the run has not ended.
    Async { wait: Duration },
}

impl RunRequest {
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        let mut json = parsed(headers, body)?;
        // Shaping copies what it is given, and this may be large.
        let input = json.get_mut("input").map(Value::take);
        let mut request: Self = shaped(json)?;
        request.input = input.unwrap_or_default();
        if request.timeout_ms == Some(0) {
            let message = "timeout_ms must be at least 1";
            return Err(unprocessable(
                "timeout_invalid",
                message,
                Some("/timeout_ms"),
            ));
        }
        let is_name = |name: &String| {
            name.len() <= EXTERNAL_ID_BYTES_MAX && !name.chars().any(char::is_control)
        };
        if request
            .external_id
            .as_ref()
            .is_some_and(|name| !is_name(name))
        {
            let message = "external_id must have at most 256 bytes and no control characters";
            return Err(unprocessable(
                "external_id_invalid",
                message,
                Some("/external_id"),
            ));
        }
        Ok(request)
    }
}

impl Preference {
    /// Preferences that are not known are passed over, as RFC 7240 has it.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let values = headers
            .get_all("prefer")
            .iter()
            .filter_map(|it| it.to_str().ok());
        let preferences: Vec<_> = values
            .flat_map(|value| value.split([',', ';']))
            .map(|it| it.trim().to_ascii_lowercase())
            .collect();
        if !preferences.iter().any(|it| it == "respond-async") {
            return Preference::Answer;
        }
        let wait = preferences
            .iter()
            .find_map(|it| it.strip_prefix("wait=")?.parse().ok());
        let wait = Duration::from_secs(wait.unwrap_or(0)).min(WAIT_MAX);
        Preference::Async { wait }
    }
}

/// `traceparent` as W3C has it; anything else is passed over.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<_> = text.split('-').collect();
    let is_hex = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_valid = matches!(parts.as_slice(), [version, trace, parent, flags]
        if is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2));
    is_valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        let name = HeaderName::from_static(name);
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn preferences_are_read_and_unknown_ones_passed_over() {
        let wait = |seconds| Preference::Async {
            wait: Duration::from_secs(seconds),
        };
        for (value, expected) in [
            ("respond-async", wait(0)),
            ("respond-async, wait=5", wait(5)),
            ("Respond-Async; wait=5", wait(5)),
            ("respond-async, wait=100000", wait(60)),
            ("respond-async, wait=soon", wait(0)),
            ("wait=5", Preference::Answer),
            ("handling=lenient", Preference::Answer),
        ] {
            assert_eq!(
                Preference::read(&headers("prefer", value)),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn a_traceparent_that_is_none_is_passed_over() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(
            traceparent(&headers("traceparent", valid)).as_deref(),
            Some(valid)
        );
        for value in [
            "",
            "00-xyz",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(traceparent(&headers("traceparent", value)), None, "{value}");
        }
    }
}
