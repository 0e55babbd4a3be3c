//! A JSON Schema for people: its fields with their types, one a line, as deep as they go.

use serde_json::Value;
use std::fmt::Write;

/// Levels that are written out.
const DEPTH_MAX: usize = 12;
/// Characters of what is written as JSON.
const JSON_SHOWN: usize = 60;
const STEP: &str = "  ";

/// Lines without their ends, each with `indent` before it, of at most `columns` where words allow.
pub(crate) fn outline(schema: &Value, indent: &str, columns: usize) -> Vec<String> {
    let mut outline = Outline {
        root: schema,
        columns,
        lines: Vec::new(),
    };
    let (kind, inside) = outline.kind(schema);
    match inside {
        Some(inside) if kind == "record" => outline.fields(inside, indent, 0),
        inside => {
            outline.lines.push(format!("{indent}{kind}"));
            if let Some(inside) = inside {
                outline.fields(inside, &format!("{indent}{STEP}"), 0);
            }
        }
    }
    outline.lines
}

/// Words in lines of at most so many columns; those that were parted stay so.
pub(crate) fn wrapped(text: &str, indent: &str, columns: usize) -> Vec<String> {
    let options = textwrap::Options::new(columns)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .break_words(false);
    let lines = textwrap::wrap(text.trim(), options);
    lines.into_iter().map(Into::into).collect()
}

struct Outline<'s> {
    root: &'s Value,
    columns: usize,
    lines: Vec<String>,
}

impl<'s> Outline<'s> {
    fn fields(&mut self, record: &'s Value, indent: &str, depth: usize) {
        let required = record["required"].as_array();
        let is_required = |name: &str| {
            let mut required = required.into_iter().flatten();
            required.any(|it| it == name)
        };
        for (name, schema) in record["properties"].as_object().into_iter().flatten() {
            let (kind, inside) = self.kind(schema);
            let optional = if is_required(name) { "" } else { "?" };
            let kind = match kind.as_str() {
                "record" => String::new(),
                kind => format!(" {kind}"),
            };
            let name = crate::terminal::plain_lines(name).replace('\n', " ");
            self.lines.push(format!("{indent}{name}{optional}:{kind}"));
            let deeper = format!("{indent}{STEP}");
            if let Some(text) = schema["description"].as_str() {
                let text = crate::terminal::plain_lines(text);
                self.lines
                    .extend(wrapped(&text, &format!("{deeper}# "), self.columns));
            }
            if let Some(inside) = inside.filter(|_| depth < DEPTH_MAX) {
                self.fields(inside, &deeper, depth + 1);
            }
        }
    }

    /// What it is called, and the record whose fields are to be told, if there is one.
    fn kind(&self, schema: &'s Value) -> (String, Option<&'s Value>) {
        if let Some(target) = schema["$ref"].as_str() {
            let found = target
                .strip_prefix('#')
                .and_then(|at| self.root.pointer(at));
            // The gate refuses those that lead back to themselves.
            return found.map_or_else(|| (json(schema), None), |found| self.kind(found));
        }
        if let Some(choices) = choices(schema) {
            return (choices.join(" | "), None);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(branches) = schema[key].as_array() {
                return self.one_of(branches);
            }
        }
        match &schema["type"] {
            Value::String(kind) if kind == "array" => {
                let (item, inside) = match schema.get("items") {
                    Some(items) => self.kind(items),
                    None => ("anything".to_owned(), None),
                };
                (format!("list of {item}"), inside)
            }
            Value::String(kind) if kind == "object" => match schema["properties"].is_object() {
                true => ("record".to_owned(), Some(schema)),
                false => ("object".to_owned(), None),
            },
            Value::String(kind) => (format!("{kind}{}", bounds(schema)), None),
            _ if *schema == Value::Bool(true) => ("anything".to_owned(), None),
            _ => (json(schema), None),
        }
    }

    fn one_of(&self, branches: &'s [Value]) -> (String, Option<&'s Value>) {
        let is_null = |it: &&Value| it["type"] == "null";
        // Numbers that JSON, or a reader of it, has no digits for may be strings; nobody needs to be told each time.
        let is_digits = |it: &&Value| {
            it["pattern"]
                .as_str()
                .is_some_and(|it| it.contains("[0-9]{1,"))
        };
        let is_special = |it: &&Value| it["enum"][0] == "NaN" || is_digits(it);
        let rest = branches.iter().filter(|it| !is_null(it) && !is_special(it));
        let kinds: Vec<_> = rest.map(|it| self.kind(it)).collect();
        let inside = kinds.iter().find_map(|(_, inside)| *inside);
        let mut names: Vec<_> = kinds.into_iter().map(|(kind, _)| kind).collect();
        names.dedup();
        if branches.iter().any(|it| is_null(&it)) {
            names.push("null".to_owned());
        }
        match names.as_slice() {
            [name] => (name.clone(), inside),
            _ => (names.join(" | "), inside),
        }
    }
}

/// The values it may have, where those are listed.
fn choices(schema: &Value) -> Option<Vec<String>> {
    let is_const = |it: &Value| it.get("const").is_some();
    let values: Vec<&Value> = match (&schema["enum"], &schema["oneOf"], schema.get("const")) {
        (Value::Array(values), ..) => values.iter().collect(),
        (_, Value::Array(branches), _) if branches.iter().all(is_const) => {
            branches.iter().map(|it| &it["const"]).collect()
        }
        (.., Some(value)) => vec![value],
        _ => return None,
    };
    Some(values.into_iter().map(json).collect())
}

/// WIT's integers, which have shorter names than bounds.
const INTEGERS: [(i64, u64, &str); 8] = [
    (0, u8::MAX as u64, " (u8)"),
    (0, u16::MAX as u64, " (u16)"),
    (0, u32::MAX as u64, " (u32)"),
    (0, u64::MAX, " (u64)"),
    (i8::MIN as i64, i8::MAX as u64, " (s8)"),
    (i16::MIN as i64, i16::MAX as u64, " (s16)"),
    (i32::MIN as i64, i32::MAX as u64, " (s32)"),
    (i64::MIN, i64::MAX as u64, " (s64)"),
];

fn bounds(schema: &Value) -> String {
    let limits = (schema["minimum"].as_i64(), schema["maximum"].as_u64());
    let of_wit = INTEGERS
        .into_iter()
        .find(|(low, high, _)| limits == (Some(*low), Some(*high)));
    if let Some((.., name)) = of_wit {
        return name.to_owned();
    }
    let mut bounds = String::new();
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => {}
        (low, Value::Null) => drop(write!(bounds, " ≥ {low}")),
        (Value::Null, high) => drop(write!(bounds, " ≤ {high}")),
        (low, high) => drop(write!(bounds, " {low}…{high}")),
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let _ = write!(bounds, " like {}", cut(pattern));
    }
    bounds
}

fn json(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    let plain = crate::terminal::plain_lines(text).replace('\n', " ");
    match plain.char_indices().nth(JSON_SHOWN) {
        Some((at, _)) => format!("{}…", &plain[..at]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_have_a_line_each() {
        let schema = json!({
            "type": "object",
            "required": ["csv", "rows"],
            "properties": {
                "csv": {"type": "string", "description": "The table, with titles in its first row, as RFC 4180 has it."},
                "separator": {"anyOf": [{"type": "null"}, {"type": "string"}]},
                "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
                "mean": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity"]}]},
                "kind": {"oneOf": [{"const": "a"}, {"const": "b"}]},
                "any": true,
            },
            "$defs": {"row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}}},
        });
        let lines = outline(&schema, "  ", 40).join("\n");
        let expected = "  csv: string\n    # The table, with titles in its\n    # first row, as RFC 4180 has it.\n  separator?: string | null\n  rows: list of record\n    n?: integer 0…9\n  mean?: number\n  kind?: \"a\" | \"b\"\n  any?: anything";
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_no_record_is_one_line() {
        for (schema, line) in [
            (json!(true), "anything"),
            (json!({"type": "string"}), "string"),
            (json!({"type": "integer", "minimum": 1}), "integer ≥ 1"),
            (json!({"type": "array"}), "list of anything"),
            (
                json!({"not": {"type": "string"}}),
                "{\"not\":{\"type\":\"string\"}}",
            ),
            (json!({"enum": ["a\u{1b}", null]}), "\"a\\u001b\" | null"),
        ] {
            assert_eq!(outline(&schema, "", 80), [line]);
        }
    }
}
