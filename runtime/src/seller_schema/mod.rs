//! JSON Schemas that sellers write. Only keywords of known cost are allowed, what an evaluation costs is bounded by
//! arithmetic before it begins, and a deadline stops it.

mod cost;
mod keywords;
mod stop;
#[cfg(test)]
mod tests;

use crate::run::is_within_depth;
use crate::violation::{Violation, quoted};
use cost::{Cost, Counted, PATTERN_BYTES_MAX, count};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stop::{OutOfTime, STEP, Step, within};

/// The most bytes of a schema's text.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// The most levels of a schema's text.
const SCHEMA_DEPTH_MAX: usize = 32;
/// The most memory that a pattern takes for what it learns of texts, in bytes, for each thread that uses it.
const PATTERN_CACHE_BYTES_MAX: usize = 64 * 1024;
/// The most that judging a value may cost, by the arithmetic of [`cost`].
const JUDGING_MAX: Duration = Duration::from_secs(1);
/// The CPU time after which judging is stopped. The arithmetic rounds up, so nothing comes close to this.
const JUDGING_CPU_MAX: Duration = Duration::from_secs(2);
/// The most that judging may cost where each violation is looked for: looking takes memory for every alternative that
/// failed, and time for every level.
const EXPLAINING_MAX: Duration = Duration::from_millis(4);
/// The most violations reported of one input.
const VIOLATIONS_MAX: usize = 20;
/// The only dialect; others give keywords other meanings.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema fit to judge by: what strangers put in, and what examples put out.
#[derive(Debug, Clone)]
pub struct SellerSchema {
    json: Value,
    validator: Arc<Validator>,
    cost: Cost,
}

impl SellerSchema {
    /// A command's schema of its input. Without one, that is any object.
    pub fn new(schema: Option<&Value>) -> Result<Self, Vec<Violation>> {
        let json = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
        let refuse = |message: String| {
            vec![Violation::new("schema_invalid", message).at_pointer("/command/input")]
        };
        Self::compile(json).map_err(refuse)
    }

    /// Checks and compiles a schema, or says the reason against it.
    pub fn compile(json: Value) -> Result<Self, String> {
        let length = json.to_string().len();
        if length > SCHEMA_BYTES_MAX {
            return Err(format!(
                "the schema has {length} bytes; at most {SCHEMA_BYTES_MAX} are allowed"
            ));
        }
        if !is_within_depth(&json, SCHEMA_DEPTH_MAX) {
            return Err(format!(
                "the schema nests deeper than {SCHEMA_DEPTH_MAX} levels; move parts to `$defs` and refer to them"
            ));
        }
        if json
            .get("$schema")
            .is_some_and(|dialect| dialect != DIALECT)
        {
            return Err(format!("`$schema` can only be {DIALECT}"));
        }
        let Counted { cost, evaluated } = count(&json)?;
        let patterns = PatternOptions::regex()
            .size_limit(2 * PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(patterns)
            .with_keyword(STEP, |_, _, _| Ok(Box::new(Step)))
            .build(&evaluated)
            .map_err(|error| format!("not a usable JSON schema: {}", unusable(&error)))?;
        Ok(Self {
            json,
            validator: Arc::new(validator),
            cost,
        })
    }

    /// What judging a value takes at most, by arithmetic: usually some hundred times more than it takes.
    pub fn judging_time(&self, value: &Value) -> Duration {
        Duration::from_nanos(self.cost.of(value))
    }

    /// Judges an input.
    pub fn check(&self, input: &Value) -> Result<(), Vec<Violation>> {
        let violation = |(pointer, message): (String, String)| {
            Violation::new("input_invalid", message).at_pointer(pointer)
        };
        self.judge("the input", input)
            .map_err(|found| found.into_iter().map(violation).collect())
    }

    /// Judges `what`, a JSON value: everything that is wrong with it, and where. It takes at most two seconds of CPU,
    /// so whoever serves others calls it where nobody waits for the thread, unless [`judging_time`](Self::judging_time)
    /// is short.
    pub fn judge(&self, what: &str, value: &Value) -> Result<(), Vec<(String, String)>> {
        let takes = self.judging_time(value);
        if takes > JUDGING_MAX {
            return Err(whole(
                what,
                "is too large for the tool's schema: judging it could take too long. Send less at once, or let the seller simplify the schema (fewer alternatives, shorter patterns, no `uniqueItems` on long lists)",
            ));
        }
        self.judge_within(JUDGING_CPU_MAX, what, value, takes <= EXPLAINING_MAX)
    }

    fn judge_within(
        &self,
        cpu_max: Duration,
        what: &str,
        value: &Value,
        is_explained: bool,
    ) -> Result<(), Vec<(String, String)>> {
        let judging = || match (self.validator.is_valid(value), is_explained) {
            (true, _) => Ok(()),
            (false, true) => Err(self.explained(what, value)),
            (false, false) => Err(whole(what, "does not match the schema")),
        };
        within(cpu_max, judging).unwrap_or_else(|OutOfTime| {
            Err(whole(
                what,
                "took too long to be judged by the tool's schema",
            ))
        })
    }

    fn explained(&self, what: &str, value: &Value) -> Vec<(String, String)> {
        let errors = self.validator.iter_errors(value).take(VIOLATIONS_MAX);
        let found = errors.map(|error| {
            let pointer = error.instance_path().to_string();
            let name = if pointer.is_empty() { what } else { &pointer };
            let message = format!("{}: {}", quoted(name), quoted(&error.to_string()));
            (pointer, message)
        });
        found.collect()
    }

    /// As the seller wrote it.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

fn whole(what: &str, reason: &str) -> Vec<(String, String)> {
    vec![(String::new(), format!("{what} {reason}"))]
}

/// What is wrong with a schema, and where in it.
fn unusable(error: &jsonschema::ValidationError<'_>) -> String {
    let at = error.instance_path().to_string();
    let said = match at.ends_with("/type") {
        true => format!(
            "{} is no type; there are string, number, integer, boolean, object, array and null",
            error.instance()
        ),
        false => error.to_string(),
    };
    match at.is_empty() {
        true => quoted(&said),
        false => format!("{} (at {})", quoted(&said), quoted(&at)),
    }
}
