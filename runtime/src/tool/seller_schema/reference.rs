//! Resolves `$ref`.

use super::keywords::{Holds, holds};
use serde_json::Value;

/// A pointer without its percent-encoding.
pub(super) fn decoded(pointer: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The schema that a pointer names: what stands in a place for data is none.
pub(super) fn schema_at<'j>(root: &'j Value, pointer: &str) -> Option<&'j Value> {
    let mut schema = root;
    let mut tokens = pointer.split('/').skip(1);
    while let Some(token) = tokens.next() {
        let keyword = unescaped(token);
        let value = schema.get(&keyword)?;
        schema = match holds(&keyword)? {
            Holds::Schemas => value.get(tokens.next()?.parse::<usize>().ok()?)?,
            Holds::Items if keyword == "prefixItems" => {
                value.get(tokens.next()?.parse::<usize>().ok()?)?
            }
            Holds::Definitions | Holds::DependentSchemas => value.get(unescaped(tokens.next()?))?,
            Holds::Fields if keyword != "additionalProperties" => {
                value.get(unescaped(tokens.next()?))?
            }
            Holds::Items
            | Holds::Fields
            | Holds::Contains
            | Holds::NamesSchema
            | Holds::Not
            | Holds::If
            | Holds::Branch => value,
            _ => return None,
        };
    }
    Some(schema)
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
