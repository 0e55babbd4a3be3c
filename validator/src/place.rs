//! Where in a manifest's text a JSON pointer leads.

use std::ops::Range;
use tollgate_runtime::manifest::is_readable;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A manifest's text, read once, with the places of everything in it.
pub struct Places<'t> {
    text: &'t str,
    table: Spanned<DeTable<'t>>,
}

impl<'t> Places<'t> {
    /// `None` if the text is invalid TOML, too long or too deep.
    pub fn of(text: &'t str) -> Option<Self> {
        if !is_readable(text) {
            return None;
        }
        let table = DeTable::parse(text).ok()?;
        Some(Self { text, table })
    }

    /// The bytes of the thing that a pointer names or, where that is not there, of the nearest thing around it. `None`
    /// where not even the first part is there.
    pub fn span(&self, pointer: &str) -> Option<Range<usize>> {
        let parts = pointer.strip_prefix('/')?.split('/');
        let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~"));
        let mut found: Option<Range<usize>> = None;
        let mut inside = Inside::Table(self.table.get_ref());
        for part in parts {
            let Some((span, value)) = inside.get(&part) else {
                break;
            };
            found = Some(span);
            inside = match value.get_ref() {
                DeValue::Table(table) => Inside::Table(table),
                DeValue::Array(array) => Inside::Array(array),
                _ => break,
            };
        }
        found
    }

    /// Its line, from 1.
    pub fn line(&self, pointer: &str) -> Option<usize> {
        let span = self.span(pointer)?;
        Some(1 + self.text[..span.start].matches('\n').count())
    }
}

enum Inside<'v, 't> {
    Table(&'v DeTable<'t>),
    Array(&'v [Spanned<DeValue<'t>>]),
}

impl<'v, 't> Inside<'v, 't> {
    /// A key with its value, or an item.
    fn get(&self, part: &str) -> Option<(Range<usize>, &'v Spanned<DeValue<'t>>)> {
        match self {
            Inside::Table(table) => {
                let (key, value) = table.get_key_value(part)?;
                let is_plain = !matches!(value.get_ref(), DeValue::Table(_) | DeValue::Array(_));
                let (key, value_span) = (key.span(), value.span());
                // `key = value` on one line; of what is larger, its key.
                match is_plain && key.start < value_span.start {
                    true => Some((key.start..value_span.end, value)),
                    false => Some((key, value)),
                }
            }
            Inside::Array(items) => {
                let item = items.get(part.parse::<usize>().ok()?)?;
                Some((item.span(), item))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"name = "a"
price = 5

[limits]
timeout = "60s"

[credentials.KEY]
hosts = ["a.example", "*"]

[[examples]]
input = { a = 1 }
[[examples]]
output = 2
[[examples.http]]
request = "GET x"
"#;

    #[test]
    fn a_pointer_has_its_line() {
        let places = Places::of(TEXT).expect("TOML");
        for (pointer, line, text) in [
            ("/price", 2, "price = 5"),
            ("/limits/timeout", 5, "timeout = \"60s\""),
            ("/limits/memory", 4, "limits"),
            ("/credentials/KEY", 7, "KEY"),
            ("/credentials/KEY/hosts/1", 8, "\"*\""),
            ("/examples/1/output", 13, "output = 2"),
            ("/examples/1/http/0/request", 15, "request = \"GET x\""),
            ("/examples/0/input/a", 11, "a = 1"),
        ] {
            let span = places.span(pointer).unwrap_or_else(|| panic!("{pointer}"));
            assert_eq!(
                (places.line(pointer), &TEXT[span]),
                (Some(line), text),
                "{pointer}"
            );
        }
        for pointer in ["", "price", "/nothing", "/nothing/at/all"] {
            assert_eq!(places.line(pointer), None, "{pointer}");
        }
        assert!(Places::of("name = ").is_none());
    }
}
