//! A value that has what a JSON Schema requires, for people to change by hand.

use serde_json::{Value, json};

/// Parts of a schema that are looked at.
const PARTS_MAX: usize = 1000;

/// `null` stands for what the schema does not say.
pub(crate) fn filled_in(schema: &Value) -> Value {
    value(schema, schema, &mut { PARTS_MAX })
}

fn value(root: &Value, schema: &Value, left: &mut usize) -> Value {
    let Some(rest) = left.checked_sub(1) else {
        return Value::Null;
    };
    *left = rest;
    if let Some(target) = schema["$ref"].as_str() {
        let target = target.strip_prefix('#').unwrap_or(target);
        let found = root.pointer(target);
        return found.map_or(Value::Null, |it| value(root, it, left));
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    for key in ["oneOf", "anyOf"] {
        let branches = schema[key].as_array().into_iter().flatten();
        if let Some(branch) = branches.into_iter().find(|it| it["type"] != "null") {
            return value(root, branch, left);
        }
    }
    match schema["type"].as_str().unwrap_or_default() {
        "string" => json!("text"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
        "boolean" => json!(false),
        "array" => {
            let parts = schema["prefixItems"].as_array().into_iter().flatten();
            parts.map(|it| value(root, it, left)).collect()
        }
        "object" => {
            let required = schema["required"].as_array().into_iter().flatten();
            let required = required.filter_map(Value::as_str);
            let field = |name: &str| {
                let inside = value(root, &schema["properties"][name], left);
                (name.to_owned(), inside)
            };
            Value::Object(required.map(field).collect())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_is_filled_in() {
        let schema = json!({
            "type": "object",
            "required": ["sql", "rows", "at", "kind", "limit", "is-new"],
            "properties": {
                "sql": {"type": "string"},
                "left-out": {"type": "string"},
                "rows": {"type": "array", "items": {"type": "string"}},
                "at": {"$ref": "#/$defs/at"},
                "kind": {"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}]},
                "limit": {"type": "integer", "minimum": 1},
                "is-new": {"type": "boolean"},
            },
            "$defs": {"at": {"type": "object", "required": ["n"], "properties": {"n": {"type": "number"}}}},
        });
        let filled = json!({"sql": "text", "rows": [], "at": {"n": 0}, "kind": "a", "limit": 1, "is-new": false});
        assert_eq!(filled_in(&schema), filled);
        let endless = json!({"$ref": "#"});
        assert_eq!(filled_in(&endless), Value::Null);
    }
}
