//! JSON text as it is accepted from strangers: no duplicate keys, no depth that would cost the stack.

use crate::limits::DEPTH_MAX;
use crate::violation::quoted;
use serde_core::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::fmt;

/// Why a text is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not JSON; the message has line and column.
    #[error("{0}")]
    Syntax(serde_json::Error),
    /// An object has a key twice.
    #[error("the key `{0}` is there twice")]
    DuplicateKey(String),
    /// Arrays and objects nest too deep.
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// Reads JSON text.
pub fn parse(text: &[u8]) -> Result<Value, Malformed> {
    let refused = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let strict = Strict {
        depth_left: DEPTH_MAX,
        refused: &refused,
    };
    let parsed = strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| refused.take().unwrap_or(Malformed::Syntax(error)))
}

#[derive(Clone, Copy)]
struct Strict<'r> {
    depth_left: usize,
    /// Set beside the deserializer's own error, which carries text only.
    refused: &'r RefCell<Option<Malformed>>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.refuse(Malformed::TooDeep)),
        }
    }

    fn refuse<E: Error>(self, reason: Malformed) -> E {
        let error = E::custom(&reason);
        self.refused.replace(Some(reason));
        error
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(self.refuse(Malformed::DuplicateKey(quoted(&key))));
            }
            let value = entries.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_depth_and_rubbish_are_refused_by_name() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        let cases = [
            (nested(DEPTH_MAX + 1), "nested deeper"),
            (nested(100_000), "nested deeper"),
            (
                r#"{"a": 1, "b": {"c": 1, "c": 2}}"#.to_owned(),
                "`c` is there twice",
            ),
            ("1 2".to_owned(), "trailing"),
            ("{".to_owned(), "EOF"),
            ("1e999".to_owned(), "out of range"),
            (String::new(), "EOF"),
        ];
        for (text, expected) in cases {
            let error = parse(text.as_bytes()).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert_eq!(
            parse(b" {\"a\": [1, -2, 1.5, null, true, \"x\"]} ").expect("valid"),
            serde_json::json!({"a": [1, -2, 1.5, null, true, "x"]})
        );
    }
}
