//! JSON Schemas that sellers write. Only keywords of known cost are allowed, what an evaluation costs is bounded by
//! arithmetic before it begins, and every step of it takes fuel, so that it ends even if the arithmetic was fooled.
//!
//! The evaluator is ours. The libraries there are have neither a deadline nor costs that can be told beforehand, and a
//! seller's schema is as hostile as a seller's code. Tests hold it against one of them.

mod containers;
mod equal;
mod evaluate;
mod fuel;
mod keywords;
mod members;
mod node;
mod operands;
mod parse;
mod pattern;
mod reference;
#[cfg(test)]
mod tests;
mod whole;
mod wording;

use crate::value::{held, is_within_depth};
use crate::violation::{Violation, quoted};
use evaluate::{Evaluation, Found};
use fuel::OutOfFuel;
use parse::{Parsed, parse};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a schema's text.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// The most levels of a schema's text.
const SCHEMA_DEPTH_MAX: usize = 32;
/// The most that judging a value may cost, by what its steps take.
const JUDGING_MAX: Duration = Duration::from_secs(1);
/// The most that judging may cost by the arithmetic, which lets every subschema meet every part of the value. Beyond it
/// nothing is judged.
const BOUND_MAX: Duration = Duration::from_secs(60);
/// The most violations reported of one input.
const VIOLATIONS_MAX: usize = 20;
/// The only dialect; others give keywords other meanings.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema fit to judge by: what strangers put in, and what examples put out.
#[derive(Debug, Clone)]
pub struct SellerSchema {
    json: Value,
    parsed: Arc<Parsed>,
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
        let dialect = json.get("$schema");
        if dialect.is_some_and(|it| it.as_str().map(|it| it.trim_end_matches('#')) != Some(DIALECT))
        {
            return Err(format!("`$schema` can only be {DIALECT}"));
        }
        let parsed = Arc::new(parse(&json)?);
        Ok(Self { json, parsed })
    }

    /// What judging a value takes at most, by arithmetic: usually many times more than it takes.
    pub fn judging_time(&self, value: &Value) -> Duration {
        Duration::from_nanos(self.parsed.bound.of(value))
    }

    /// Bytes that the schema takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // As JSON, and about as much again as it is evaluated.
        2 * held::json(&self.json) + self.parsed.pattern_bytes
    }

    /// Judges an input.
    pub fn check(&self, input: &Value) -> Result<(), Vec<Violation>> {
        let violation = |(pointer, message): Found| {
            Violation::new("input_invalid", message).at_pointer(pointer)
        };
        self.judge("the input", input)
            .map_err(|found| found.into_iter().map(violation).collect())
    }

    /// Judges `what`, a JSON value: everything that is wrong with it, and where. It takes at most some two seconds, so a
    /// server calls it where nobody waits for the thread, unless [`judging_time`](Self::judging_time) is short.
    pub fn judge(&self, what: &str, value: &Value) -> Result<(), Vec<(String, String)>> {
        if self.judging_time(value) > BOUND_MAX {
            return Err(too_costly(what));
        }
        let Parsed { schemas, root, .. } = &*self.parsed;
        let fuel = JUDGING_MAX.as_nanos() as u64;
        let named = |(pointer, said): Found| {
            let name = if pointer.is_empty() { what } else { &pointer };
            let message = format!("{} {said}", quoted(name));
            (pointer, message)
        };
        match Evaluation::new(schemas, fuel).is_valid(*root, value) {
            Ok(true) => Ok(()),
            Err(OutOfFuel) => Err(too_costly(what)),
            Ok(false) => {
                let explained =
                    Evaluation::new(schemas, fuel).explain(*root, value, VIOLATIONS_MAX);
                let found = explained.unwrap_or_else(|OutOfFuel| {
                    vec![(String::new(), "does not match the schema".to_owned())]
                });
                Err(found.into_iter().map(named).collect())
            }
        }
    }

    /// As the seller wrote it.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

fn too_costly(what: &str) -> Vec<Found> {
    let reason = "is too large for the tool's schema: judging it could take too long. Send less at once, or let the seller simplify the schema (fewer alternatives, shorter patterns)";
    vec![(String::new(), format!("{what} {reason}"))]
}
