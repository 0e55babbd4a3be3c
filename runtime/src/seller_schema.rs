//! JSON Schemas that sellers write: bounded, local, without backtracking. Judging takes time by the schema's size
//! times the input's, so that product is bounded, too.

use crate::run::is_within_depth;
use crate::violation::{Violation, quoted};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The most bytes of a schema's text.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// The most levels of a schema's text.
const SCHEMA_DEPTH_MAX: usize = 32;
/// The most subschemas, references written out: a few lines of references to references can stand for billions.
const SUBSCHEMAS_MAX: u64 = 10_000;
/// The most memory a pattern takes when compiled, in bytes.
const PATTERN_BYTES_MAX: u64 = 1 << 20;
/// The most that all patterns of a schema take: of many, each has a part.
const PATTERNS_BYTES_MAX: u64 = 4 << 20;
/// The most subschemas times parts of the input that are judged.
const JUDGEMENTS_MAX: u64 = 10_000_000;
/// The most of which each violation is looked for: looking takes memory for each alternative that failed.
const JUDGEMENTS_EXPLAINED_MAX: u64 = 100_000;
/// The most violations reported of one input.
const VIOLATIONS_MAX: usize = 20;
/// The only dialect; others give keywords other meanings.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema fit to judge by: what strangers put in, and what examples put out.
#[derive(Debug, Clone)]
pub struct SellerSchema {
    json: Value,
    validator: Arc<Validator>,
    /// References written out.
    subschemas: u64,
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
        let Size { parts, patterns } = written_out(&json)?;
        let pattern_bytes = PATTERN_BYTES_MAX.min(PATTERNS_BYTES_MAX / patterns.max(1));
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex().size_limit(pattern_bytes as usize))
            .build(&json)
            .map_err(|error| format!("not a usable JSON schema: {}", unusable(&error)))?;
        Ok(Self {
            json,
            validator: Arc::new(validator),
            subschemas: parts,
        })
    }

    /// Judges an input.
    pub fn check(&self, input: &Value) -> Result<(), Vec<Violation>> {
        let violation = |(pointer, message): (String, String)| {
            Violation::new("input_invalid", message).at_pointer(pointer)
        };
        self.judge("the input", input)
            .map_err(|found| found.into_iter().map(violation).collect())
    }

    /// Judges `what`, a JSON value: everything that is wrong with it, and where.
    pub fn judge(&self, what: &str, value: &Value) -> Result<(), Vec<(String, String)>> {
        let judgements = self.subschemas.saturating_mul(parts(value));
        let whole = |reason: &str| vec![(String::new(), format!("{what} {reason}"))];
        if judgements > JUDGEMENTS_MAX {
            let reason = "has too many parts to be judged by a schema of this size";
            return Err(whole(reason));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if judgements > JUDGEMENTS_EXPLAINED_MAX {
            return Err(whole("does not match the schema"));
        }
        let errors = self.validator.iter_errors(value).take(VIOLATIONS_MAX);
        let found = errors.map(|error| {
            let pointer = error.instance_path().to_string();
            let name = if pointer.is_empty() { what } else { &pointer };
            let message = format!("{}: {}", quoted(name), quoted(&error.to_string()));
            (pointer, message)
        });
        Err(found.collect())
    }

    /// As the seller wrote it.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

fn parts(json: &Value) -> u64 {
    match json {
        Value::Array(items) => 1 + items.iter().map(parts).sum::<u64>(),
        Value::Object(object) => 1 + object.values().map(parts).sum::<u64>(),
        _ => 1,
    }
}

/// Counts what a schema stands for. References must be local, must not lead back to themselves, and must not
/// multiply.
fn written_out(schema: &Value) -> Result<Size, String> {
    if schema
        .get("$schema")
        .is_some_and(|dialect| dialect != DIALECT)
    {
        return Err(format!("`$schema` can only be {DIALECT}"));
    }
    size(schema, schema, &mut HashMap::new(), &mut HashSet::new())
}

/// What a schema, or a part of one, stands for.
#[derive(Debug, Clone, Copy)]
struct Size {
    parts: u64,
    patterns: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.parts = self.parts.saturating_add(other.parts);
        self.patterns = self.patterns.saturating_add(other.patterns);
    }
}

fn size<'s>(
    schema: &'s Value,
    root: &'s Value,
    sizes: &mut HashMap<&'s str, Size>,
    open: &mut HashSet<&'s str>,
) -> Result<Size, String> {
    let mut total = Size {
        parts: 1,
        patterns: 0,
    };
    match schema {
        Value::Array(items) => {
            for item in items {
                total.add(size(item, root, sizes, open)?);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                total.patterns += match (key.as_str(), value) {
                    ("pattern", Value::String(_)) => 1,
                    ("patternProperties", Value::Object(patterns)) => patterns.len() as u64,
                    _ => 0,
                };
                total.add(match (key.as_str(), value) {
                    ("$ref", Value::String(target)) if target.contains('%') => {
                        return Err("`$ref` must be written without percent-encoding".to_owned());
                    }
                    ("$ref", Value::String(target)) => target_size(target, root, sizes, open)?,
                    (
                        "$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor" | "$id"
                        | "id",
                        Value::String(_),
                    ) => {
                        return Err(format!(
                            "`{key}` is not allowed; refer with `$ref` to `#/$defs/…`"
                        ));
                    }
                    _ => size(value, root, sizes, open)?,
                });
            }
        }
        _ => {}
    }
    if total.parts > SUBSCHEMAS_MAX {
        return Err(format!(
            "the schema has more than {SUBSCHEMAS_MAX} parts when its references are written out"
        ));
    }
    Ok(total)
}

fn target_size<'s>(
    target: &'s str,
    root: &'s Value,
    sizes: &mut HashMap<&'s str, Size>,
    open: &mut HashSet<&'s str>,
) -> Result<Size, String> {
    if let Some(size) = sizes.get(target) {
        return Ok(*size);
    }
    let found = target
        .strip_prefix('#')
        .and_then(|pointer| root.pointer(pointer));
    let Some(found) = found else {
        return Err(format!(
            "`$ref` to `{}`: only places in the same schema can be referred to",
            quoted(target)
        ));
    };
    if !open.insert(target) {
        return Err(format!(
            "`$ref` to `{}` leads back to itself",
            quoted(target)
        ));
    }
    let size = size(found, root, sizes, open)?;
    open.remove(target);
    sizes.insert(target, size);
    Ok(size)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each level is an `items` and its object.
    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!({}), |inner, _| json!({"a": {"items": inner}}))
    }

    #[test]
    fn both_sides_of_a_schema_s_depth() {
        assert!(SellerSchema::compile(json!({"$defs": nested(15)})).is_ok());
        assert!(SellerSchema::compile(json!({"$defs": nested(16)})).is_err());
    }

    #[test]
    fn dangerous_schemas_are_refused_by_name() {
        let mut bomb = serde_json::Map::new();
        bomb.insert("d0".to_owned(), json!({"type": "string"}));
        for level in 1..40 {
            let target = format!("#/$defs/d{}", level - 1);
            bomb.insert(
                format!("d{level}"),
                json!({"allOf": [{"$ref": target}, {"$ref": target}]}),
            );
        }
        let cases = [
            (json!({"$ref": "http://example.com/schema"}), "same schema"),
            (json!({"$ref": "file:///etc/passwd"}), "same schema"),
            (
                json!({"$ref": "#/$defs/%64", "$defs": {"d": true}}),
                "percent",
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
                "$schema",
            ),
            (nested(17), "nests deeper than 32"),
            (json!({"$ref": "#"}), "leads back"),
            (
                json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
                "leads back",
            ),
            (json!({"$defs": bomb, "$ref": "#/$defs/d39"}), "written out"),
            (json!({"pattern": "(a)\\1"}), "not a usable"),
            (json!({"pattern": "(?=a)b"}), "not a usable"),
            (
                json!({"pattern": "((a{1000}){1000}){1000}"}),
                "not a usable",
            ),
            (
                json!({"allOf": (0..2500).map(|it| json!({"pattern": format!("x{{{}}}", 5000 + it)})).collect::<Vec<_>>()}),
                "not a usable",
            ),
            (
                json!({"properties": {"a": {"type": "nonsense"}}}),
                "\"nonsense\" is no type; there are string, number, integer, boolean, object, array and null (at /properties/a/type)",
            ),
            (
                json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}),
                "bytes",
            ),
        ];
        for (schema, expected) in cases {
            let violations = SellerSchema::new(Some(&schema)).expect_err(expected);
            assert_eq!(violations[0].code, "schema_invalid");
            assert!(
                violations[0].message.contains(expected),
                "{}",
                violations[0]
            );
        }
    }

    #[test]
    fn many_plain_patterns_are_taken() {
        let fields: serde_json::Map<_, _> = (0..200)
            .map(|it| (format!("f{it}"), json!({"pattern": "^[a-z0-9_-]{1,64}$"})))
            .collect();
        assert!(SellerSchema::compile(json!({"properties": fields})).is_ok());
    }

    #[test]
    fn a_pattern_that_would_backtrack_is_judged_in_linear_time() {
        let schema = SellerSchema::new(Some(&json!({"pattern": "^(a+)+$"}))).expect("valid");
        let input = Value::String("a".repeat(200_000) + "b");
        let started = std::time::Instant::now();
        let violations = schema.check(&input).expect_err("no match");
        assert_eq!(violations[0].code, "input_invalid");
        assert!(started.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn a_large_schema_on_a_large_input_is_refused_rather_than_judged() {
        let branches: Vec<_> = (0..4000).map(|it| json!({"const": it})).collect();
        let schema =
            SellerSchema::new(Some(&json!({"items": {"anyOf": branches}}))).expect("valid");
        assert!(schema.check(&json!([1, 2, 3])).is_ok());
        let violations = schema
            .check(&json!(vec![-1; 340_000]))
            .expect_err("too much");
        assert!(
            violations[0].message.contains("too many parts"),
            "{}",
            violations[0]
        );
    }

    #[test]
    fn an_input_s_violations_have_their_pointers() {
        let schema =
            json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["m"]});
        let violations = SellerSchema::new(Some(&schema))
            .expect("valid")
            .check(&json!({"n": "x"}))
            .expect_err("two");
        let pointers: Vec<_> = violations
            .iter()
            .filter_map(|it| it.place.pointer.as_deref())
            .collect();
        assert!(
            pointers.contains(&"/n") && pointers.contains(&""),
            "{pointers:?}"
        );
    }
}
