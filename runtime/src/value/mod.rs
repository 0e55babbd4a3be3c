//! Values between JSON and the component model. One tree of types, read once from the tool, is walked three ways:
//! to JSON Schema (`schema.rs`), from JSON (`decode.rs`) and to JSON (`encode.rs`).

mod decode;
mod encode;
mod equal;
pub(crate) mod held;
mod json;
mod names;
mod numbers;
mod schema;
pub mod strict;
#[cfg(test)]
mod tests;
mod text;

pub use decode::decode_parameters;
pub use encode::{OutputRefused, encode};
pub use equal::is_equal;
pub(crate) use json::{is_within_depth, json_bytes};
pub use schema::object_schema;
use serde::{Deserialize, Serialize};
pub use text::Json;

/// A type with its documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Type {
    /// From the interface's doc comments.
    pub docs: Option<String>,
    /// What it is.
    pub shape: Shape,
}

/// A parameter of a function, or a field of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// As in WIT.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// As in WIT.
    pub name: String,
    /// Documentation of the case.
    pub docs: Option<String>,
    /// What it carries.
    pub payload: Option<Type>,
}

/// A case of an enum, or a flag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// As in WIT.
    pub name: String,
    /// Documentation of the label.
    pub docs: Option<String>,
}

/// Integers, by width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "self-describing")]
pub enum Integer {
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
}

impl Integer {
    fn range(self) -> (i128, i128) {
        match self {
            Integer::S8 => (i8::MIN.into(), i8::MAX.into()),
            Integer::U8 => (0, u8::MAX.into()),
            Integer::S16 => (i16::MIN.into(), i16::MAX.into()),
            Integer::U16 => (0, u16::MAX.into()),
            Integer::S32 => (i32::MIN.into(), i32::MAX.into()),
            Integer::U32 => (0, u32::MAX.into()),
            Integer::S64 => (i64::MIN.into(), i64::MAX.into()),
            Integer::U64 => (0, u64::MAX.into()),
        }
    }

    /// JavaScript cannot hold all 64-bit integers: those may also be written as decimal strings.
    fn is_wide(self) -> bool {
        matches!(self, Integer::S64 | Integer::U64)
    }
}

/// What values of a type look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shape {
    /// `true`, `false`
    Bool,
    /// JSON integer
    Integer(Integer),
    /// JSON number, or `"NaN"`, `"Infinity"`, `"-Infinity"`
    Float32,
    /// As [`Shape::Float32`]
    Float64,
    /// String of one character
    Char,
    /// String
    String,
    /// `list<u8>`: base64 string
    Bytes,
    /// Array
    List(Box<Type>),
    /// Array of fixed length
    Tuple(Vec<Type>),
    /// Object
    Record(Vec<Parameter>),
    /// `{"tag", "val"}`
    Variant(Vec<Case>),
    /// String
    Enum(Vec<Label>),
    /// Array of strings
    Flags(Vec<Label>),
    /// `null` or the value; `{"some": …}` where the value may itself be null
    Option(Box<Type>),
    /// `{"ok": …}` or `{"err": …}`
    Result {
        /// What `ok` carries.
        ok: Option<Box<Type>>,
        /// What `err` carries.
        err: Option<Box<Type>>,
    },
}

impl Parameter {
    /// Bytes that it takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        held::name(&self.name) + self.ty.memory_bytes()
    }
}

impl Type {
    /// Bytes that it takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let text = |docs: &Option<String>| docs.as_deref().map_or(0, held::name);
        let boxed = |ty: &Option<Box<Type>>| ty.as_deref().map_or(0, Type::memory_bytes);
        let label = |label: &Label| held::name(&label.name) + text(&label.docs);
        let inside: u64 = match &self.shape {
            Shape::List(inner) | Shape::Option(inner) => inner.memory_bytes(),
            Shape::Tuple(parts) => parts.iter().map(Type::memory_bytes).sum(),
            Shape::Record(fields) => fields.iter().map(Parameter::memory_bytes).sum(),
            Shape::Variant(cases) => cases
                .iter()
                .map(|case| {
                    let payload = case.payload.as_ref().map_or(0, Type::memory_bytes);
                    held::name(&case.name) + text(&case.docs) + payload
                })
                .sum(),
            Shape::Enum(labels) | Shape::Flags(labels) => labels.iter().map(label).sum(),
            Shape::Result { ok, err } => boxed(ok) + boxed(err),
            Shape::Bool
            | Shape::Integer(_)
            | Shape::Float32
            | Shape::Float64
            | Shape::Char
            | Shape::String
            | Shape::Bytes => 0,
        };
        size_of::<Type>() as u64 + text(&self.docs) + inside
    }
}

/// The largest `f32` as its shortest text says it, which is a little more than what it is as an `f64`.
const FLOAT32_MAX: f64 = 3.402_823_5e38;

impl Type {
    /// A type without documentation.
    pub fn plain(shape: Shape) -> Self {
        Self { docs: None, shape }
    }

    /// Whether `null` is a value of this type, so that an option of it needs `{"some": …}`.
    fn is_nullable(&self) -> bool {
        matches!(self.shape, Shape::Option(_))
    }
}
