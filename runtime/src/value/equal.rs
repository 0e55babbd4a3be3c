//! When two JSON values say the same, as JSON Schema's `const` sees it: `3` and `3.0` do, whoever wrote them.

use serde_json::Value;

/// Whether the values are equal.
pub fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| is_equal(value, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_compared_by_value_and_nothing_else_is() {
        assert!(is_equal(
            &json!({"a": [3, 1.5], "b": 0}),
            &json!({"b": 0.0, "a": [3.0, 1.5]})
        ));
        assert!(!is_equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
        assert!(!is_equal(&json!([1]), &json!([1, 1])) && !is_equal(&json!("3"), &json!(3)));
        assert!(!is_equal(&json!({"a": 1}), &json!({"b": 1})));
    }
}
