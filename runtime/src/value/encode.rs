//! From values of the component model to JSON, never larger than the output may be.

use super::names::Names;
use super::{Shape, Type};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value, json};
use wasmtime::component::Val;

/// Why a value did not become output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputRefused {
    /// Its JSON is larger than the output limit.
    TooLarge,
    /// It is not of the type the interface promises. The engine checks that; this is not reached.
    Mismatch,
}

/// The JSON of `value`, of at most about `bytes_max` bytes of text.
pub fn encode(ty: &Type, value: &Val, bytes_max: u64) -> Result<Value, OutputRefused> {
    Encoder {
        bytes_left: bytes_max,
        names: Names::default(),
    }
    .value(ty, value)
}

struct Encoder<'t> {
    bytes_left: u64,
    names: Names<'t>,
}

impl<'t> Encoder<'t> {
    fn value(&mut self, ty: &'t Type, value: &Val) -> Result<Value, OutputRefused> {
        match (&ty.shape, value) {
            (Shape::Bool, Val::Bool(value)) => self.scalar(json!(value), 4),
            (Shape::Integer(_), value) => self.integer(value),
            (Shape::Float32, Val::Float32(value)) => {
                // The shortest text that names this f32, not the f64 it happens to widen to.
                let widened = value.to_string().parse().unwrap_or(f64::from(*value));
                self.float(if value.is_finite() {
                    widened
                } else {
                    f64::from(*value)
                })
            }
            (Shape::Float64, Val::Float64(value)) => self.float(*value),
            (Shape::Char, Val::Char(value)) => self.scalar(json!(value), 3),
            (Shape::String, Val::String(text)) => self.scalar(json!(text), text.len() as u64 + 2),
            (Shape::Bytes, Val::List(items)) => self.bytes(items),
            (Shape::List(element), Val::List(items)) => {
                self.array(items.iter().map(|item| (&**element, item)))
            }
            (Shape::Tuple(types), Val::Tuple(items)) => self.array(types.iter().zip(items)),
            (Shape::Record(fields), Val::Record(values)) => {
                let mut object = Map::new();
                for (field, (name, value)) in fields.iter().zip(values) {
                    self.take(name.len() as u64 + 3)?;
                    object.insert(name.clone(), self.value(&field.ty, value)?);
                }
                Ok(Value::Object(object))
            }
            (Shape::Variant(cases), Val::Variant(name, payload)) => {
                let case = self.names.find(cases, name);
                let case = case.ok_or(OutputRefused::Mismatch)?;
                self.take(name.len() as u64 + 10)?;
                match (&case.payload, payload) {
                    (Some(ty), Some(payload)) => {
                        Ok(json!({"tag": name, "val": self.value(ty, payload)?}))
                    }
                    (None, None) => Ok(json!({"tag": name})),
                    _ => Err(OutputRefused::Mismatch),
                }
            }
            (Shape::Enum(_), Val::Enum(name)) => self.scalar(json!(name), name.len() as u64 + 2),
            (Shape::Flags(_), Val::Flags(names)) => self.scalar(
                json!(names),
                names.iter().map(|name| name.len() as u64 + 3).sum(),
            ),
            (Shape::Option(_), Val::Option(None)) => self.scalar(Value::Null, 4),
            (Shape::Option(ty), Val::Option(Some(value))) => {
                let inner = self.value(ty, value)?;
                Ok(if ty.is_nullable() {
                    json!({"some": inner})
                } else {
                    inner
                })
            }
            (Shape::Result { ok, .. }, Val::Result(Ok(value))) => {
                self.side("ok", ok.as_deref(), value.as_deref())
            }
            (Shape::Result { err, .. }, Val::Result(Err(value))) => {
                self.side("err", err.as_deref(), value.as_deref())
            }
            _ => Err(OutputRefused::Mismatch),
        }
    }

    fn integer(&mut self, value: &Val) -> Result<Value, OutputRefused> {
        let json = match value {
            Val::S8(value) => json!(value),
            Val::U8(value) => json!(value),
            Val::S16(value) => json!(value),
            Val::U16(value) => json!(value),
            Val::S32(value) => json!(value),
            Val::U32(value) => json!(value),
            Val::S64(value) => json!(value),
            Val::U64(value) => json!(value),
            _ => return Err(OutputRefused::Mismatch),
        };
        self.scalar(json, 1)
    }

    fn float(&mut self, value: f64) -> Result<Value, OutputRefused> {
        let json = match Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None if value.is_nan() => json!("NaN"),
            None if value > 0.0 => json!("Infinity"),
            None => json!("-Infinity"),
        };
        self.scalar(json, 3)
    }

    fn bytes(&mut self, items: &[Val]) -> Result<Value, OutputRefused> {
        self.take(items.len() as u64 / 3 * 4 + 2)?;
        let bytes = items.iter().map(|item| match item {
            Val::U8(byte) => Ok(*byte),
            _ => Err(OutputRefused::Mismatch),
        });
        Ok(Value::String(
            STANDARD.encode(bytes.collect::<Result<Vec<_>, _>>()?),
        ))
    }

    fn array<'v>(
        &mut self,
        items: impl Iterator<Item = (&'t Type, &'v Val)>,
    ) -> Result<Value, OutputRefused> {
        self.take(1)?;
        let mut values = Vec::new();
        for (ty, item) in items {
            self.take(1)?;
            values.push(self.value(ty, item)?);
        }
        Ok(Value::Array(values))
    }

    fn side(
        &mut self,
        name: &str,
        ty: Option<&'t Type>,
        value: Option<&Val>,
    ) -> Result<Value, OutputRefused> {
        self.take(name.len() as u64 + 5)?;
        let payload = match (ty, value) {
            (Some(ty), Some(value)) => self.value(ty, value)?,
            (None, None) => Value::Null,
            _ => return Err(OutputRefused::Mismatch),
        };
        Ok(json!({name: payload}))
    }

    fn scalar(&mut self, json: Value, bytes: u64) -> Result<Value, OutputRefused> {
        self.take(bytes)?;
        Ok(json)
    }

    /// Counts a lower bound of the text, so that a value far too large is given up early. The exact length is
    /// counted where the text is made.
    fn take(&mut self, bytes: u64) -> Result<(), OutputRefused> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or(OutputRefused::TooLarge)?;
        Ok(())
    }
}
