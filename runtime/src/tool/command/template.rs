//! Templates of a `[command]`: texts with fields of the input in them.

use crate::tool::manifest::DeclaredCommand;
use crate::violation::quoted;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The fields of `[command.input]`.
pub(super) struct FieldNames<'c> {
    pub(super) listed: Vec<&'c str>,
    pub(super) known: HashSet<&'c str>,
}

pub(super) fn field_names(command: &DeclaredCommand) -> FieldNames<'_> {
    let input = command.input.as_ref();
    let properties = input.and_then(|schema| schema.get("properties"));
    let properties = properties.and_then(Value::as_object);
    let names = properties.into_iter().flat_map(serde_json::Map::keys);
    FieldNames::of(names.map(String::as_str).collect())
}

impl<'c> FieldNames<'c> {
    pub(super) fn of(listed: Vec<&'c str>) -> Self {
        Self {
            known: listed.iter().copied().collect(),
            listed,
        }
    }
}

/// Text with fields of the input in it: `-p {script}`. `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(pub(super) Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Literal(String),
    Field(String),
}

impl Template {
    pub(super) fn parse(text: &str, fields: &FieldNames<'_>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find('{') {
            literal.push_str(&rest[..brace]);
            rest = &rest[brace + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                literal.push('{');
                rest = after;
                continue;
            }
            let Some(name) = name_before_brace(rest) else {
                // Not a field: the brace is the program's own, as in `awk '{ print $1 }'`.
                literal.push('{');
                continue;
            };
            if !fields.known.contains(name) {
                let name = quoted(name);
                return Err(format!(
                    "`{{{name}}}` is no field of [command.input] (it has {}); for a brace of the program's own write `{{{{`",
                    some_of(&fields.listed)
                ));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Field(name.to_owned()));
            rest = &rest[name.len() + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    pub(super) fn rendered_bytes(&self, field_bytes: &HashMap<&str, u64>) -> u64 {
        let lengths = self.0.iter().map(|part| match part {
            Part::Literal(literal) => literal.len() as u64,
            Part::Field(name) => field_bytes.get(name.as_str()).copied().unwrap_or(0),
        });
        lengths.sum()
    }

    /// The text, or `None` where a field is absent. Strings go in as they are, anything else as compact JSON.
    pub(super) fn render(&self, input: &Value) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(name) => match input.get(name)? {
                    Value::Null => return None,
                    Value::String(value) => text.push_str(value),
                    value => text.push_str(&value.to_string()),
                },
            }
        }
        Some(text)
    }
}

fn some_of(fields: &[&str]) -> String {
    const NAMED_MAX: usize = 10;
    match fields.len() {
        0 => "none".to_owned(),
        length => {
            let named: Vec<_> = fields
                .iter()
                .take(NAMED_MAX)
                .map(|field| quoted(field))
                .collect();
            let more = if length > NAMED_MAX { ", …" } else { "" };
            format!("{}{more}", named.join(", "))
        }
    }
}

/// The field's name that a text begins with, if a closing brace follows it. Nothing behind that is looked at: texts are
/// read once, however many braces they have.
fn name_before_brace(text: &str) -> Option<&str> {
    let is_of_name = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let length = text.bytes().take_while(is_of_name).count();
    let (name, rest) = text.split_at(length);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && rest.starts_with('}')).then_some(name)
}
