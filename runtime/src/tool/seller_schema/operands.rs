//! Parses the values of keywords.

use super::fuel::STEP;
use super::node::Type;
use super::parse::Parser;
use super::pattern::{Pattern, translated_bytes};
use super::whole::Whole;
use crate::violation::quoted;
use serde_json::{Map, Number, Value};

/// The most memory that all patterns of a schema take together, with what searches keep, in bytes.
const PATTERNS_BYTES_MAX: usize = 8 << 20;
/// The most bytes that are read to translate all patterns of a schema: some tenths of a second.
const TRANSLATED_BYTES_MAX: usize = 8 << 20;

impl<'j> Parser<'j> {
    pub(super) fn object(&self, value: &'j Value) -> Result<&'j Map<String, Value>, String> {
        let object = value.as_object();
        object.ok_or_else(|| self.wrong("must be an object"))
    }

    pub(super) fn number(&self, value: &Value) -> Result<Number, String> {
        match value {
            Value::Number(number) => Ok(number.clone()),
            _ => Err(self.wrong("must be a number")),
        }
    }

    pub(super) fn count(&self, value: &Value) -> Result<u64, String> {
        let is_whole = |it: &f64| it.fract() == 0.0 && (0.0..1e15).contains(it);
        let count = value.as_u64();
        let count = count.or_else(|| Some(value.as_f64().filter(is_whole)? as u64));
        count.ok_or_else(|| self.wrong("must be a whole number that is not negative"))
    }

    pub(super) fn types(&self, value: &Value) -> Result<Vec<Type>, String> {
        let names = match value {
            Value::Array(names) if !names.is_empty() => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        let ty = |name: &Value| {
            let found = name.as_str().and_then(Type::named);
            found.ok_or_else(|| {
                let name = quoted(&name.to_string());
                self.wrong(&format!(
                    "names {name}, which is not a type; there are string, number, integer, boolean, object, array and null"
                ))
            })
        };
        let types: Vec<_> = names.iter().map(ty).collect::<Result<_, _>>()?;
        // Each evaluation tries every type, so the list must stay short: there are seven types.
        let twice = types
            .iter()
            .enumerate()
            .find(|(at, it)| types[..*at].contains(it));
        match twice {
            Some((_, ty)) => Err(self.wrong(&format!("names {} twice", ty.name()))),
            None => Ok(types),
        }
    }

    pub(super) fn names(&self, value: &Value, whole: &mut Whole) -> Result<Vec<Box<str>>, String> {
        let invalid = || self.wrong("must be a list of names");
        let names = value.as_array().ok_or_else(invalid)?;
        let name = |name: &Value| {
            let name = name.as_str().ok_or_else(invalid)?;
            whole.costs(STEP + name.len() as u64, 0);
            Ok(name.into())
        };
        names.iter().map(name).collect()
    }

    pub(super) fn pattern(&mut self, value: &Value, whole: &mut Whole) -> Result<Pattern, String> {
        match value {
            Value::String(text) => self.compiled(text, whole),
            _ => Err(self.wrong("must be a regular expression in a string")),
        }
    }

    pub(super) fn compiled(&mut self, text: &str, whole: &mut Whole) -> Result<Pattern, String> {
        self.translated_bytes = self.translated_bytes.saturating_add(translated_bytes(text));
        if self.translated_bytes > TRANSLATED_BYTES_MAX {
            let reason = "makes the schema's patterns take too long to read: write fewer classes like `\\d`, `\\s` and `\\p{…}`";
            return Err(self.unusable(text, reason));
        }
        let (pattern, bytes) = Pattern::new(text).map_err(|reason| self.unusable(text, &reason))?;
        self.pattern_bytes += bytes;
        if self.pattern_bytes > PATTERNS_BYTES_MAX {
            let reason = format!(
                "makes the schema's patterns take more than {PATTERNS_BYTES_MAX} bytes together when they are compiled"
            );
            return Err(self.unusable(text, &reason));
        }
        whole.costs(pattern.per_byte(), pattern.per_byte());
        Ok(pattern)
    }

    pub(super) fn unusable(&self, pattern: &str, reason: &str) -> String {
        let at = quoted(&self.pointer());
        format!("the pattern `{}` (at {at}) {reason}", quoted(pattern))
    }
}
