//! A JSON Schema for people: its fields with their types, one a line, as deep as they go.

use crate::terminal::{hanging, plain_lines};
use serde_json::Value;
use std::fmt::Write;

/// Levels that are written out.
const DEPTH_MAX: usize = 12;
/// Characters of what is written as JSON.
const JSON_SHOWN: usize = 60;
const STEP: &str = "  ";

/// Lines without their ends, each with `indent` before it, of at most `columns` where words allow.
pub(crate) fn outline(schema: &Value, indent: &str, columns: usize) -> Vec<String> {
    let outline = Outline { root: schema };
    let mut lines = Lines {
        columns,
        lines: Vec::new(),
    };
    let (kind, inside) = outline.kind(schema);
    match inside {
        Some(inside) if kind == "record" => outline.write(inside, indent, 0, &mut lines),
        inside => {
            lines.push(&format!("{indent}{kind}"));
            if let Some(inside) = inside {
                outline.write(inside, &format!("{indent}{STEP}"), 0, &mut lines);
            }
        }
    }
    lines.lines
}

/// A field of a schema, wherever it is in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Names with dots between; empty of the whole.
    pub(crate) at: String,
    pub(crate) kind: String,
}

/// Every field of a schema, as deep as they go.
pub(crate) fn fields(schema: &Value) -> Vec<Field> {
    let outline = Outline { root: schema };
    let mut found = Vec::new();
    outline.walk(schema, "", true, 0, &mut found);
    found
}

/// Words in lines of at most so many columns. A line end of the author's parts paragraphs and items of lists only.
pub(crate) fn wrapped(text: &str, indent: &str, columns: usize) -> Vec<String> {
    let options = textwrap::Options::new(columns)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .break_words(false);
    let text = paragraphs(text).join("\n");
    let lines = textwrap::wrap(&text, options);
    lines.into_iter().map(Into::into).collect()
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in text.trim().lines() {
        let begins = line.is_empty() || line.starts_with([' ', '\t', '-', '*', '#', '|', '`', '>']);
        let begins = begins || line.starts_with(|it: char| it.is_ascii_digit());
        match paragraphs.last_mut() {
            Some(last) if !begins && !last.is_empty() => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => paragraphs.push(line.trim_end().to_owned()),
        }
    }
    paragraphs
}

/// What is written, of at most so many columns.
struct Lines {
    columns: usize,
    lines: Vec<String>,
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.lines.push(hanging(line, self.columns));
    }

    fn comment(&mut self, text: &str, indent: &str) {
        let indent = format!("{indent}# ");
        self.lines
            .extend(wrapped(&plain_lines(text), &indent, self.columns));
    }
}

struct Outline<'s> {
    root: &'s Value,
}

impl<'s> Outline<'s> {
    fn write(&self, record: &'s Value, indent: &str, depth: usize, lines: &mut Lines) {
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
            let name = one_line(name);
            lines.push(&format!("{indent}{name}{optional}:{kind}"));
            let deeper = format!("{indent}{STEP}");
            if let Some(text) = schema["description"].as_str() {
                lines.comment(text, &deeper);
            }
            if let Some(inside) = inside.filter(|_| depth < DEPTH_MAX) {
                self.write(inside, &deeper, depth + 1, lines);
            }
        }
    }

    fn walk(
        &self,
        schema: &'s Value,
        at: &str,
        is_required: bool,
        depth: usize,
        found: &mut Vec<Field>,
    ) {
        let (kind, inside) = self.kind(schema);
        if !at.is_empty() || kind != "record" {
            let optional = if is_required { "" } else { ", optional" };
            found.push(Field {
                at: at.to_owned(),
                kind: format!("{kind}{optional}"),
            });
        }
        let inside = inside.filter(|_| depth < DEPTH_MAX);
        let fields = inside.and_then(|it| it["properties"].as_object());
        for (name, schema) in fields.into_iter().flatten() {
            let required = inside.and_then(|it| it["required"].as_array());
            let is_required = required.is_some_and(|it| it.iter().any(|it| it == name));
            let name = one_line(name);
            let dot = if at.is_empty() { "" } else { "." };
            self.walk(
                schema,
                &format!("{at}{dot}{name}"),
                is_required,
                depth + 1,
                found,
            );
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
            Value::String(kind) if kind == "array" && schema["prefixItems"].is_array() => {
                let parts = schema["prefixItems"].as_array().into_iter().flatten();
                let parts: Vec<_> = parts.map(|it| self.kind(it)).collect();
                let inside = parts.iter().find_map(|(_, inside)| *inside);
                let names: Vec<_> = parts.into_iter().map(|(name, _)| name).collect();
                (format!("({})", names.join(", ")), inside)
            }
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
    if schema["contentEncoding"] == "base64" {
        bounds.push_str(" in base64");
    } else if let Some(pattern) = schema["pattern"].as_str() {
        let _ = write!(bounds, " like {}", cut(pattern));
    }
    bounds
}

fn json(value: &Value) -> String {
    cut(&value.to_string())
}

fn one_line(text: &str) -> String {
    plain_lines(text).replace('\n', " ")
}

fn cut(text: &str) -> String {
    let plain = one_line(text);
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
                "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": false},
            },
            "$defs": {"row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}}},
        });
        let lines = outline(&schema, "  ", 40).join("\n");
        let expected = "  csv: string\n    # The table, with titles in its\n    # first row, as RFC 4180 has it.\n  separator?: string | null\n  rows: list of record\n    n?: integer 0…9\n  mean?: number\n  kind?: \"a\" | \"b\"\n  any?: anything\n  pair?: (string, boolean)";
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
                json!({"type": "string", "contentEncoding": "base64", "pattern": "^[A-Z]*$"}),
                "string in base64",
            ),
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
