//! A schema as it is evaluated.

use super::pattern::Pattern;
use serde_json::{Number, Value};
use std::collections::HashMap;

/// A subschema's place among all of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

/// A subschema.
#[derive(Debug)]
pub(super) enum Schema {
    /// `true`.
    Always,
    /// `false`.
    Never,
    /// An object.
    Keywords(Box<[Keyword]>),
}

/// What a subschema asks of a value. Keywords that depend on each other are one.
#[derive(Debug)]
pub(super) enum Keyword {
    Reference(Id),
    Type(Vec<Type>),
    Const(Value),
    Enum(Vec<Value>),
    Minimum(Number),
    Maximum(Number),
    ExclusiveMinimum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(u64),
    MaxLength(u64),
    Pattern(Pattern),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    Items {
        prefix: Vec<Id>,
        rest: Option<Id>,
    },
    Contains {
        schema: Id,
        min: u64,
        max: Option<u64>,
    },
    MinProperties(u64),
    MaxProperties(u64),
    Required(Vec<Box<str>>),
    DependentRequired(Vec<(Box<str>, Vec<Box<str>>)>),
    DependentSchemas(Vec<(Box<str>, Id)>),
    Fields {
        named: HashMap<Box<str>, Id>,
        patterns: Vec<(Pattern, Id)>,
        others: Option<Id>,
    },
    PropertyNames(Id),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
}

/// A type of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    const ALL: [Type; 7] = [
        Type::String,
        Type::Number,
        Type::Integer,
        Type::Boolean,
        Type::Object,
        Type::Array,
        Type::Null,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::String => "string",
            Type::Array => "array",
            Type::Object => "object",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}
