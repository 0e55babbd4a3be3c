//! Describes why a value is invalid, and where.

use super::fuel::{Fuel, OutOfFuel};
use crate::violation::pointer_part;
use serde_json::Value;
use std::fmt::Write;

/// Characters that are shown of a text.
const SHOWN_MAX: usize = 60;

/// A place in the value, for whoever is told what is wrong there.
pub(super) enum At<'a> {
    Root,
    Field(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    /// Writes the pointer of the place.
    pub(super) fn write(&self, pointer: &mut String, fuel: &mut Fuel) -> Result<(), OutOfFuel> {
        match self {
            At::Root => Ok(()),
            At::Field(outer, name) => {
                outer.write(pointer, fuel)?;
                fuel.hash(name.len())?;
                pointer.push('/');
                pointer.push_str(&pointer_part(name));
                Ok(())
            }
            At::Item(outer, index) => {
                outer.write(pointer, fuel)?;
                // Writing to a string cannot fail.
                let _ = write!(pointer, "/{index}");
                Ok(())
            }
        }
    }
}

pub(super) fn range(min: u64, max: Option<u64>) -> String {
    match max {
        Some(max) => format!("{min} to {max}"),
        None => format!("at least {min}"),
    }
}

/// The beginning of a value, however large it is.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => shown_text(text),
        Value::Array(items) => format!("a list of {} items", items.len()),
        Value::Object(fields) => format!("an object with {} fields", fields.len()),
        scalar => scalar.to_string(),
    }
}

pub(super) fn shown_text(text: &str) -> String {
    format!("{:?}", cut(text))
}

pub(super) fn cut(text: &str) -> String {
    let end = text.char_indices().nth(SHOWN_MAX).map(|(at, _)| at);
    end.map_or_else(|| text.to_owned(), |end| format!("{}…", &text[..end]))
}
