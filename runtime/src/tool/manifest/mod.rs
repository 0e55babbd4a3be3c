//! What a tool says of itself: `tool.toml` while developing, the custom section `tollgate.manifest` in the file.

mod depth;
#[cfg(test)]
mod tests;
mod units;
mod words;

pub use units::parse_duration;

use crate::limits::Limits;
use crate::value::held;
use crate::violation::{Violation, quoted, quoted_within};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The custom section that carries the manifest's text.
pub const SECTION: &str = "tollgate.manifest";

/// The most bytes of a manifest's text.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;

/// The most bytes of the reader's words: they list every key that may stand somewhere.
const MESSAGE_BYTES_MAX: usize = 400;

/// A manifest as written. That its values make sense is the gate's to judge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Unique in a project.
    pub name: String,
    /// Released once. Without one the platform counts 0.0.N.
    #[serde(default, deserialize_with = "units::version")]
    pub version: Option<semver::Version>,
    /// For buyers.
    #[serde(default)]
    pub description: String,
    /// Tokens per successful run.
    #[serde(default)]
    pub price: u64,
    /// Tokens, once.
    #[serde(default)]
    pub subscription_price: u64,
    /// The functions offered, where not all exported ones are.
    pub functions: Option<Vec<String>>,
    /// How to build the tool, while developing.
    pub build: Option<Build>,
    /// Limits lowered for every run.
    #[serde(default)]
    pub limits: LoweredLimits,
    /// Secrets a run needs, by the environment variable they stand in.
    #[serde(default)]
    pub credentials: BTreeMap<String, DeclaredCredential>,
    /// Where requests may go.
    #[serde(default)]
    pub egress: DeclaredEgress,
    /// Runs with known ends.
    #[serde(default)]
    pub examples: Vec<Example>,
    /// How an unchanged command-line program is called.
    pub command: Option<DeclaredCommand>,
    /// As it was written.
    #[serde(skip)]
    pub(crate) text: String,
}

/// `[build]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// A shell command, run only when asked for.
    pub command: Option<String>,
    /// The `.wasm` it makes, from the manifest's folder.
    pub output: Option<String>,
}

/// `[limits]`: what is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoweredLimits {
    #[serde(default, deserialize_with = "units::duration")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "units::bytes")]
    memory: Option<u64>,
    #[serde(default, deserialize_with = "units::bytes")]
    output: Option<u64>,
    #[serde(default, deserialize_with = "units::bytes")]
    logs: Option<u64>,
    #[serde(default, deserialize_with = "units::bytes")]
    scratch: Option<u64>,
    egress_requests: Option<u64>,
}

impl LoweredLimits {
    /// `limits`, lowered to what the manifest says.
    pub fn apply(&self, limits: &Limits) -> Limits {
        limits.lowered_to(&self.stated(limits))
    }

    /// The limits the manifest tries to raise, each with what it is, as a manifest would say it.
    pub fn raised(&self, limits: &Limits) -> Vec<(&'static str, String)> {
        let stated = self.stated(limits);
        let mut raised = Vec::new();
        if stated.timeout > limits.timeout {
            raised.push(("timeout", format!("{:?}", limits.timeout)));
        }
        let bytes = [
            ("memory", stated.memory_bytes, limits.memory_bytes),
            ("output", stated.output_bytes, limits.output_bytes),
            ("logs", stated.log_bytes, limits.log_bytes),
            ("scratch", stated.scratch_bytes, limits.scratch_bytes),
        ];
        let above = bytes
            .into_iter()
            .filter(|(_, stated, limit)| stated > limit);
        raised.extend(above.map(|(name, _, limit)| (name, as_written(limit))));
        if stated.egress_requests > limits.egress_requests {
            raised.push(("egress_requests", limits.egress_requests.to_string()));
        }
        raised
    }

    fn stated(&self, limits: &Limits) -> Limits {
        Limits {
            timeout: self.timeout.unwrap_or(limits.timeout),
            memory_bytes: self.memory.unwrap_or(limits.memory_bytes),
            output_bytes: self.output.unwrap_or(limits.output_bytes),
            log_bytes: self.logs.unwrap_or(limits.log_bytes),
            scratch_bytes: self.scratch.unwrap_or(limits.scratch_bytes),
            egress_requests: self.egress_requests.unwrap_or(limits.egress_requests),
            ..limits.clone()
        }
    }
}

/// Bytes as a manifest says them.
fn as_written(bytes: u64) -> String {
    let units = [("MiB", 1 << 20), ("KiB", 1 << 10)];
    let whole = units
        .into_iter()
        .find(|(_, unit)| bytes.is_multiple_of(*unit));
    whole.map_or_else(
        || bytes.to_string(),
        |(name, unit)| format!("{}{name}", bytes / unit),
    )
}

/// `[credentials.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredCredential {
    /// For the buyer who sets it.
    #[serde(default)]
    pub description: String,
    /// Where the tool sends it: `host` or `host:port`, exact.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether runs are refused without it.
    #[serde(default = "yes")]
    pub required: bool,
    /// Whether the tool needs the secret itself rather than a placeholder (signing).
    #[serde(default)]
    pub expose: bool,
}

fn yes() -> bool {
    true
}

/// `[egress]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredEgress {
    /// `[METHODS] scheme://host[:port][/prefix]`
    #[serde(default)]
    pub allow: Vec<String>,
}

/// `[[examples]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// May be left out where there is one.
    pub function: Option<String>,
    /// The run's input.
    #[serde(default = "no_fields")]
    pub input: Value,
    /// The exact output expected.
    pub output: Option<Value>,
    /// A JSON Schema the output must match.
    pub output_schema: Option<Value>,
    /// The failure kind expected.
    pub failure: Option<String>,
    /// Answers to the example's requests.
    #[serde(default)]
    pub http: Vec<Exchange>,
}

fn no_fields() -> Value {
    Value::Object(serde_json::Map::new())
}

/// `[[examples.http]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `METHOD URL`
    pub request: String,
    /// Status answered.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers answered.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body answered.
    pub body: Option<String>,
    /// Body answered, in base64.
    pub body_base64: Option<String>,
}

fn ok() -> u16 {
    200
}

/// `[command]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredCommand {
    /// Arguments, one each, with `{field}` where input goes.
    #[serde(default)]
    pub args: Vec<String>,
    /// Standard input.
    pub stdin: Option<String>,
    /// Files placed in `/scratch`.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Files collected from there.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// JSON Schema of the fields.
    pub input: Option<Value>,
}

impl Manifest {
    /// Bytes that it takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let command = self.command.as_ref();
        let input = command.and_then(|it| it.input.as_ref());
        let examples = self.examples.iter().flat_map(|it| {
            [
                Some(&it.input),
                it.output.as_ref(),
                it.output_schema.as_ref(),
            ]
        });
        let values = examples.chain([input]).flatten().map(held::json);
        self.text.len() as u64 + values.sum::<u64>()
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads a manifest's text. An error names the key or value and its line.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.len() > MANIFEST_BYTES_MAX {
            let message = format!(
                "the manifest has {} bytes; at most {MANIFEST_BYTES_MAX} are read",
                text.len()
            );
            return Err(Violation::new("manifest_invalid", message).in_section(SECTION));
        }
        if depth::is_too_deep(text) {
            let message = format!(
                "the manifest nests deeper than {} levels of tables, lists and dotted keys",
                depth::DEPTH_MAX
            );
            return Err(Violation::new("manifest_invalid", message).in_section(SECTION));
        }
        let read = toml::from_str(text).map(|manifest| Self {
            text: text.to_owned(),
            ..manifest
        });
        // As TOML alone, too, whose integers are smaller than some of JSON's: it is packed as such.
        let read = read.and_then(|it| toml::from_str::<toml::Table>(text).map(|_| it));
        read.map_err(|error| {
            let at = error.span().map(|span| span.start);
            let key = at.and_then(|at| key_before(text, at));
            let key = key.map_or(String::new(), |key| format!("`{}`: ", quoted(key)));
            let message = quoted_within(&words::plain(error.message()), MESSAGE_BYTES_MAX);
            let message = format!("tool.toml: {key}{message}");
            let violation = Violation::new("manifest_invalid", message).in_section(SECTION);
            match at {
                Some(at) => violation.at_line(1 + text[..at].matches('\n').count()),
                None => violation,
            }
        })
    }
}

/// The key whose value begins at a place in the text.
fn key_before(text: &str, at: usize) -> Option<&str> {
    let before = text[..at].trim_end().strip_suffix('=')?;
    before.rsplit(['\n', '{', ',']).next().map(str::trim)
}

/// True if a manifest's text is short and shallow enough for a reader of TOML, which recurses.
pub fn is_readable(text: &str) -> bool {
    text.len() <= MANIFEST_BYTES_MAX && !depth::is_too_deep(text)
}

/// The name a manifest gives its tool, whatever else is wrong with it.
pub fn name_in(text: &str) -> Option<String> {
    if !is_readable(text) {
        return None;
    }
    let table: toml::Table = toml::from_str(text).ok()?;
    table.get("name")?.as_str().map(str::to_owned)
}

/// A manifest's text as it goes into the file: without `[build]`, which is the seller's own affair. Everything else stays
/// as it was written, so that it is no longer than before, and each line is said of the same key.
pub fn packed_text(text: &str) -> Result<String, Violation> {
    Manifest::parse(text)?;
    let invalid = |error: toml_edit::TomlError| {
        Violation::new("manifest_invalid", error.message().to_owned()).in_section(SECTION)
    };
    let mut document: toml_edit::DocumentMut = text.parse().map_err(invalid)?;
    document.remove("build");
    Ok(document.to_string())
}
