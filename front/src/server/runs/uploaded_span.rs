//! A span as a caller sends it: bounded, typed, and without control characters before anyone sees it.

use crate::server::state::live_spans::AddedSpan;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tollgate_runtime::{Violation, pointer_part, quoted};
use tollgate_store::Time;
use utoipa::ToSchema;

/// Bytes of one span's JSON.
pub(crate) const SPAN_BYTES_MAX: usize = 16 * 1024;
const ID_BYTES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 256;
const ATTRIBUTES_MAX: usize = 128;
const KEY_BYTES_MAX: usize = 256;
/// The most that is said of one span.
const VIOLATIONS_MAX: usize = 20;
/// What the ids of a run's own spans begin with, 16 digits all in all.
const OWN_IDS: &str = "0000000000000";

/// Spans to be added to a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct SpansUpload<'b> {
    /// A run has at most 200, each of at most 16 KiB.
    #[serde(borrow)]
    #[schema(value_type = Vec<UploadedSpan>, min_items = 1, max_items = 200)]
    pub(crate) spans: Vec<&'b RawValue>,
}

/// One stretch of time, measured by the caller.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read field by field")]
pub(crate) struct UploadedSpan {
    /// The caller's own, once in a run; letters, digits, `-`, `_`, `.` and `:`. Those of 16 digits that begin with 13
    /// zeros are the run's.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.:-]+$")]
    span_id: String,
    /// The span it is in, the run's own or another.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_.:-]+$",
        nullable = false
    )]
    parent_id: Option<String>,
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    #[schema(format = DateTime)]
    started_at: String,
    /// Not before it started.
    #[schema(format = DateTime)]
    ended_at: String,
    /// Texts, numbers, booleans, and lists of these; at most 128.
    #[schema(value_type = Option<Object>, nullable = false)]
    attributes: Option<Value>,
}

/// The span with that place in its request as it is kept, with its id; or everything that is wrong with it.
pub(crate) fn checked(place: usize, span: &Value) -> Result<AddedSpan, Vec<Violation>> {
    let mut reading = Reading {
        pointer: format!("/spans/{place}"),
        violations: Vec::new(),
    };
    let Some(fields) = span.as_object() else {
        reading.wrong("", "a span is an object");
        return Err(reading.violations);
    };
    let kept = reading.span(fields);
    match kept {
        Some(kept) if reading.violations.is_empty() => Ok(kept),
        _ => Err(reading.violations),
    }
}

/// What is wrong so far.
struct Reading {
    pointer: String,
    violations: Vec<Violation>,
}

impl Reading {
    fn span(&mut self, fields: &Map<String, Value>) -> Option<AddedSpan> {
        for name in fields.keys() {
            let known = ["span_id", "parent_id", "name", "started_at", "ended_at"];
            if !known.contains(&name.as_str()) && name != "attributes" {
                self.wrong("", format!("a span has no `{}`", quoted(name)));
            }
        }
        let span_id = self.id("span_id", fields.get("span_id"));
        if span_id
            .as_ref()
            .is_some_and(|id| id.len() == 16 && id.starts_with(OWN_IDS))
        {
            self.wrong(
                "/span_id",
                "ids of 16 digits that begin with 13 zeros are the run's own",
            );
        }
        let parent_id = fields
            .get("parent_id")
            .map(|parent| self.id("parent_id", Some(parent)));
        let name = self.name(fields.get("name"));
        let started_at = self.time("started_at", fields.get("started_at"));
        let ended_at = self.time("ended_at", fields.get("ended_at"));
        if started_at > ended_at && ended_at.is_some() {
            self.wrong("/ended_at", "it ends before it starts");
        }
        let attributes = match fields.get("attributes") {
            Some(attributes) => self.attributes(attributes),
            None => Some(Map::new()),
        };
        let mut kept = json!({"span_id": span_id.as_ref()?});
        if let Some(parent_id) = parent_id {
            kept["parent_id"] = json!(parent_id?);
        }
        kept["name"] = json!(name?);
        kept["started_at"] = json!(started_at?);
        kept["ended_at"] = json!(ended_at?);
        kept["attributes"] = Value::Object(attributes?);
        let kept = serde_json::value::to_raw_value(&kept).ok()?;
        Some((span_id?, kept))
    }

    fn id(&mut self, field: &str, sent: Option<&Value>) -> Option<String> {
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.:".contains(&it);
        let id = sent.and_then(Value::as_str);
        let id = id.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain));
        if id.is_none() {
            let what = format!(
                "{field} must be 1 to {ID_BYTES_MAX} letters, digits, `-`, `_`, `.` or `:`"
            );
            self.wrong(&format!("/{field}"), what);
        }
        id.map(str::to_owned)
    }

    fn name(&mut self, sent: Option<&Value>) -> Option<String> {
        let name = sent.and_then(Value::as_str);
        let name = name.filter(|name| name.len() <= NAME_BYTES_MAX).map(plain);
        let name = name.filter(|name| !name.is_empty());
        if name.is_none() {
            let what = format!("name must be a text of 1 to {NAME_BYTES_MAX} bytes");
            self.wrong("/name", what);
        }
        name
    }

    fn time(&mut self, field: &str, sent: Option<&Value>) -> Option<Time> {
        let time = sent
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        if time.is_none() {
            let what = format!("{field} must be a time as RFC 3339 has it, since 1970");
            self.wrong(&format!("/{field}"), what);
        }
        time
    }

    fn attributes(&mut self, sent: &Value) -> Option<Map<String, Value>> {
        let Some(sent) = sent.as_object().filter(|it| it.len() <= ATTRIBUTES_MAX) else {
            let what = format!("attributes must be an object of at most {ATTRIBUTES_MAX}");
            self.wrong("/attributes", what);
            return None;
        };
        let mut kept = Map::new();
        for (name, value) in sent {
            let pointer = format!("/attributes/{}", quoted(&pointer_part(&plain(name))));
            let key = plain(name);
            if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
                let what = format!("an attribute's name must be 1 to {KEY_BYTES_MAX} bytes");
                self.wrong("/attributes", what);
                continue;
            }
            match attribute(value) {
                Some(value) if !kept.contains_key(&key) => {
                    kept.insert(key, value);
                }
                Some(_) => self.wrong(&pointer, "another attribute has this name"),
                None => self.wrong(
                    &pointer,
                    "an attribute must be a text, a number, a boolean, or a list of these",
                ),
            }
        }
        Some(kept)
    }

    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        if self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        let pointer = format!("{}{field}", self.pointer);
        let violation = Violation::new("span_invalid", message).at_pointer(&pointer);
        self.violations.push(violation);
    }
}

fn attribute(value: &Value) -> Option<Value> {
    match value {
        Value::Array(values) => values.iter().map(scalar).collect(),
        value => scalar(value),
    }
}

fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::String(plain(text))),
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Text without its control characters.
fn plain(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}
