//! JSON Schemas that sellers write: bounded, local, without backtracking, so that judging an input takes linear
//! time whatever the schema says.

use crate::violation::{Violation, quoted};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The most bytes of a schema's text.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// The most subschemas, references written out: a few lines of references to references can stand for billions.
const SUBSCHEMAS_MAX: u64 = 10_000;
/// The most memory a pattern takes when compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The most violations reported of one input.
const VIOLATIONS_MAX: usize = 100;

/// A schema fit to judge strangers' input by.
#[derive(Debug, Clone)]
pub struct InputSchema {
    json: Value,
    validator: Arc<Validator>,
}

impl InputSchema {
    /// Checks and compiles a schema. Without one, the input is any object.
    pub fn new(schema: Option<&Value>) -> Result<Self, Vec<Violation>> {
        let json = schema.cloned().unwrap_or_else(|| json!({"type": "object"}));
        let refuse = |message: String| {
            vec![Violation::new("schema_invalid", message).at_pointer("/command/input")]
        };
        let length = json.to_string().len();
        if length > SCHEMA_BYTES_MAX {
            return Err(refuse(format!(
                "the schema has {length} bytes; at most {SCHEMA_BYTES_MAX} are allowed"
            )));
        }
        check_references(&json).map_err(refuse)?;
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .build(&json)
            .map_err(|error| {
                refuse(format!(
                    "not a usable JSON schema: {}",
                    quoted(&error.to_string())
                ))
            })?;
        Ok(Self {
            json,
            validator: Arc::new(validator),
        })
    }

    /// Judges an input.
    pub fn check(&self, input: &Value) -> Result<(), Vec<Violation>> {
        let errors = self.validator.iter_errors(input).take(VIOLATIONS_MAX);
        let violations: Vec<_> = errors
            .map(|error| {
                let pointer = error.instance_path().to_string();
                let name = if pointer.is_empty() {
                    "the input"
                } else {
                    &pointer
                };
                let message = format!("{}: {}", quoted(name), quoted(&error.to_string()));
                Violation::new("input_invalid", message).at_pointer(pointer)
            })
            .collect();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations)
        }
    }

    /// As the seller wrote it.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

/// References must be local, must not lead back to themselves, and must not multiply.
fn check_references(schema: &Value) -> Result<(), String> {
    let mut sizes = HashMap::new();
    size(schema, schema, &mut sizes, &mut HashSet::new()).map(|_| ())
}

fn size<'s>(
    schema: &'s Value,
    root: &'s Value,
    sizes: &mut HashMap<&'s str, u64>,
    open: &mut HashSet<&'s str>,
) -> Result<u64, String> {
    let mut total = 1_u64;
    match schema {
        Value::Array(items) => {
            for item in items {
                total = total.saturating_add(size(item, root, sizes, open)?);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                total = total.saturating_add(match (key.as_str(), value) {
                    ("$ref", Value::String(target)) => target_size(target, root, sizes, open)?,
                    (
                        "$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor" | "$id",
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
    if total > SUBSCHEMAS_MAX {
        return Err(format!(
            "the schema has more than {SUBSCHEMAS_MAX} parts when its references are written out"
        ));
    }
    Ok(total)
}

fn target_size<'s>(
    target: &'s str,
    root: &'s Value,
    sizes: &mut HashMap<&'s str, u64>,
    open: &mut HashSet<&'s str>,
) -> Result<u64, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            (json!({"type": "nonsense"}), "not a usable"),
            (
                json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}),
                "bytes",
            ),
        ];
        for (schema, expected) in cases {
            let violations = InputSchema::new(Some(&schema)).expect_err(expected);
            assert_eq!(violations[0].code, "schema_invalid");
            assert!(
                violations[0].message.contains(expected),
                "{}",
                violations[0]
            );
        }
    }

    #[test]
    fn a_pattern_that_would_backtrack_is_judged_in_linear_time() {
        let schema = InputSchema::new(Some(&json!({"pattern": "^(a+)+$"}))).expect("valid");
        let input = Value::String("a".repeat(200_000) + "b");
        assert!(schema.check(&input).is_err());
    }

    #[test]
    fn an_input_s_violations_have_their_pointers() {
        let schema =
            json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["m"]});
        let violations = InputSchema::new(Some(&schema))
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
