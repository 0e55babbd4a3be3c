//! What evaluating a schema costs, in nanoseconds that are rounded up. The same evaluation costs the same on every machine,
//! so a value that is refused once is refused always.

use serde_json::Value;

/// One keyword and one part of a value. Measured 5 to 20.
pub(super) const STEP: u64 = 20;
/// One state of a pattern's automaton and one byte of text, when every state is active. Measured 7.
pub(super) const STATE: u64 = 8;
/// A number as an exact decimal, for `multipleOf` with a fraction. Measured 150.
pub(super) const DECIMAL: u64 = 300;
/// Bytes of text that are copied or hashed in a nanosecond.
const HASHED_PER_NANO: u64 = 1;
/// Bytes of text that are compared or counted in a nanosecond.
const COMPARED_PER_NANO: u64 = 8;

/// The evaluation costs more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfFuel;

/// What an evaluation may still cost.
#[derive(Debug)]
pub(super) struct Fuel(u64);

impl Fuel {
    pub(super) fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Takes the cost of what is done next.
    pub(super) fn take(&mut self, nanos: u64) -> Result<(), OutOfFuel> {
        self.0 = self.0.checked_sub(nanos).ok_or(OutOfFuel)?;
        Ok(())
    }

    pub(super) fn step(&mut self) -> Result<(), OutOfFuel> {
        self.take(STEP)
    }

    /// Takes the cost of comparing so many bytes, or counting their characters.
    pub(super) fn compare(&mut self, bytes: usize) -> Result<(), OutOfFuel> {
        self.take(bytes as u64 / COMPARED_PER_NANO)
    }

    /// Takes the cost of hashing or copying so many bytes.
    pub(super) fn hash(&mut self, bytes: usize) -> Result<(), OutOfFuel> {
        self.take(STEP + bytes as u64 / HASHED_PER_NANO)
    }
}

/// How large a value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Each scalar, list, object and name of a field.
    pub(super) parts: u64,
    /// Of texts and names.
    pub(super) text_bytes: u64,
}

impl Size {
    pub(super) fn of(value: &Value) -> Self {
        let mut size = Self {
            parts: 1,
            text_bytes: 0,
        };
        match value {
            Value::String(text) => size.text_bytes = text.len() as u64,
            Value::Array(items) => items.iter().for_each(|item| size.add(Self::of(item))),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                size.parts += 1;
                size.text_bytes += name.len() as u64;
                size.add(Self::of(value));
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        size
    }

    fn add(&mut self, other: Self) {
        self.parts += other.parts;
        self.text_bytes += other.text_bytes;
    }
}

/// What evaluating a schema costs at most, for each part and each byte of whatever value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) per_part: u64,
    pub(super) per_byte: u64,
}

impl Bound {
    pub(super) fn add(&mut self, other: Self) {
        self.per_part = self.per_part.saturating_add(other.per_part);
        self.per_byte = self.per_byte.saturating_add(other.per_byte);
    }

    /// For a value: mostly many times what its evaluation costs, because not every subschema meets every part.
    pub(super) fn of(self, value: &Value) -> u64 {
        let Size { parts, text_bytes } = Size::of(value);
        let by_part = self.per_part.saturating_mul(parts);
        by_part.saturating_add(self.per_byte.saturating_mul(text_bytes))
    }
}
