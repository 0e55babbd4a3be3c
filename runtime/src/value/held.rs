//! Bytes that the host holds of an input, and of the values made of it for the guest. Small numbers are the worst: a
//! digit and a comma are a value of JSON and one of the engine's.

use serde_json::Value;
use std::mem::size_of;
use wasmtime::component::Val;

/// What an allocation takes beside its content, about.
const ALLOCATION_BYTES: u64 = 16;
/// An object's entry beside its value: key, hash and place in the index.
const ENTRY_BYTES: u64 = 56;
/// The entries an object has room for at least.
const ENTRIES_MIN: u64 = 4;

/// Of JSON, as it is parsed.
pub(crate) fn json(value: &Value) -> u64 {
    let node = size_of::<Value>() as u64;
    let inner = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity() as u64,
        Value::Array(items) => {
            let spare = (items.capacity() - items.len()) as u64 * node;
            spare + items.iter().map(json).sum::<u64>()
        }
        Value::Object(object) => {
            let count = object.len() as u64;
            let spare = ENTRIES_MIN.saturating_sub(count) * node;
            let keys: u64 = object
                .keys()
                .map(|key| ALLOCATION_BYTES + key.capacity() as u64)
                .sum();
            let values: u64 = object.values().map(json).sum();
            count.max(ENTRIES_MIN) * ENTRY_BYTES + spare + keys + values
        }
    };
    let is_allocated = inner > 0;
    node + u64::from(is_allocated) * ALLOCATION_BYTES + inner
}

/// Of a field's or flag's name.
pub(crate) fn name(name: &str) -> u64 {
    size_of::<String>() as u64 + ALLOCATION_BYTES + name.len() as u64
}

/// Of a parameter.
pub(crate) fn parameter(value: &Val) -> u64 {
    let node = size_of::<Val>() as u64;
    let text = |text: &String| ALLOCATION_BYTES + text.capacity() as u64;
    let boxed = |value: &Option<Box<Val>>| value.as_deref().map_or(0, parameter);
    node + match value {
        Val::String(it) | Val::Enum(it) => text(it),
        Val::List(items) | Val::Tuple(items) => {
            let spare = (items.capacity() - items.len()) as u64 * node;
            let items = match items.first() {
                Some(Val::U8(_)) => items.len() as u64 * node,
                _ => items.iter().map(parameter).sum(),
            };
            ALLOCATION_BYTES + spare + items
        }
        Val::Record(fields) => {
            let fields = fields
                .iter()
                .map(|(field, value)| name(field) + parameter(value));
            ALLOCATION_BYTES + fields.sum::<u64>()
        }
        Val::Variant(case, value) => text(case) + boxed(value),
        Val::Option(value) | Val::Result(Ok(value) | Err(value)) => boxed(value),
        Val::Flags(names) => names.iter().map(|it| name(it)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_digit_and_a_comma_are_two_whole_values() {
        let numbers: Value =
            serde_json::from_str(&format!("[{}1]", "1,".repeat(999))).expect("JSON");
        assert!(json(&numbers) >= 1000 * size_of::<Value>() as u64);
        let bytes = Val::List(vec![Val::U8(1); 1000]);
        let wide = Val::List(vec![Val::U32(1); 1000]);
        assert!(parameter(&bytes) >= 1000 * size_of::<Val>() as u64);
        assert_eq!(parameter(&bytes), parameter(&wide));
    }

    #[test]
    fn texts_names_and_what_is_nested_are_counted() {
        let text = "a".repeat(1000);
        assert!(json(&json!({"key": [text]})) >= 1000);
        assert!(json(&json!({text.clone(): null})) >= 1000);
        assert!(json(&json!([{}, {}])) > 2 * json(&json!([])));
        let nested = Val::Record(vec![(
            "field".to_owned(),
            Val::Option(Some(Box::new(Val::Variant(
                "case".to_owned(),
                Some(Box::new(Val::String(text))),
            )))),
        )]);
        assert!(parameter(&nested) >= 1000);
    }
}
