//! JSON as text. A parsed value takes up to forty times as much memory, and a run's output waits for its record and its
//! reader.

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// A JSON value as its text, which is valid and without white space around it.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The text of a value.
    pub fn of(value: &Value) -> Self {
        // A value's keys are texts, so writing it does not fail.
        let text = serde_json::value::to_raw_value(value);
        Self(text.unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The parsed value.
    pub fn value(&self) -> Value {
        // The text was written from a value.
        serde_json::from_str(self.text()).unwrap_or_default()
    }

    /// The text, for a serializer of JSON.
    pub fn into_raw(self) -> Box<RawValue> {
        self.0
    }
}

impl From<Json> for String {
    fn from(json: Json) -> Self {
        Box::<str>::from(json.0).into_string()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::of(&value)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl PartialEq<Value> for Json {
    fn eq(&self, other: &Value) -> bool {
        self.value() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn is_the_text_of_its_value() {
        let value = json!({"b": [1, 2.5, null], "a": "ü\u{1}"});
        let json = Json::of(&value);
        assert_eq!(json.text(), r#"{"b":[1,2.5,null],"a":"ü\u0001"}"#);
        assert_eq!(json, value);
        assert_eq!(serde_json::to_string(&json).expect("text"), json.text());
        assert_eq!(serde_json::to_value(&json).expect("a value"), value);
    }
}
