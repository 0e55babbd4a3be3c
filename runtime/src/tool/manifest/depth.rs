//! The depth of a manifest's values, before any reader that recurses sees the text.

use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, Source, Span, decoder::Encoding};

/// The most levels of tables and lists in a manifest. The TOML library limits nested tables and dotted keys one by one, but
/// not their product: 70 levels of keys with 70 parts are 4,900 levels, which overflow the stack of whoever reads, clones or
/// drops them.
pub(super) const DEPTH_MAX: usize = 128;

/// True if a text has values at more than [`DEPTH_MAX`] levels, as far as it is TOML.
pub(super) fn is_too_deep(text: &str) -> bool {
    let tokens: Vec<_> = Source::new(text).lex().collect();
    let mut depth = Depth::default();
    parse_document(&tokens, &mut depth, &mut ());
    depth.is_too_deep
}

/// The place of the reader: the levels of the header, of each open bracket, and of the current key.
#[derive(Debug, Default)]
struct Depth {
    /// Parts of the last header.
    header: usize,
    in_header: bool,
    /// For each open bracket, the levels down to it.
    open: Vec<usize>,
    /// Parts of the current key.
    key: usize,
    /// The next part of a key begins another key.
    ends_key: bool,
    is_too_deep: bool,
}

impl Depth {
    fn levels(&self) -> usize {
        self.open.last().copied().unwrap_or(self.header) + self.key
    }

    fn look(&mut self) -> bool {
        self.is_too_deep |= self.levels() > DEPTH_MAX;
        !self.is_too_deep
    }

    fn open_header(&mut self) {
        (self.header, self.key, self.in_header) = (0, 0, true);
        self.open.clear();
    }

    fn close_header(&mut self) {
        (self.key, self.in_header, self.ends_key) = (0, false, true);
    }

    fn open_bracket(&mut self) -> bool {
        self.open.push(self.levels() + 1);
        (self.key, self.ends_key) = (0, true);
        self.look()
    }

    fn close_bracket(&mut self) {
        self.open.pop();
        (self.key, self.ends_key) = (0, true);
    }
}

impl EventReceiver for Depth {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open_header();
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close_header();
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open_header();
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        // The table is an item of a list.
        self.header += 1;
        self.close_header();
    }

    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.open_bracket()
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close_bracket();
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.open_bracket()
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close_bracket();
    }

    fn simple_key(&mut self, _: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        if self.in_header {
            self.header += 1;
        } else {
            if self.ends_key {
                (self.key, self.ends_key) = (0, false);
            }
            self.key += 1;
        }
        self.look();
    }

    fn key_val_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.ends_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dotted(parts: usize) -> String {
        vec!["a"; parts].join(".")
    }

    #[test]
    fn levels_are_counted_over_headers_keys_and_brackets() {
        let most = DEPTH_MAX;
        for (label, text, is_deep) in [
            (
                "a manifest",
                "name = \"a\"\n[limits]\ntimeout = \"1s\"".to_owned(),
                false,
            ),
            ("no TOML", "= [[[".to_owned(), false),
            ("a key", format!("{} = 1", dotted(most)), false),
            ("a longer key", format!("{} = 1", dotted(most + 1)), true),
            ("a header", format!("[{}]", dotted(most + 1)), true),
            (
                "a header with a key",
                format!("[{}]\n{} = 1", dotted(64), dotted(65)),
                true,
            ),
            (
                "a header, then another",
                format!("[{}]\n[b]\n{} = 1", dotted(64), dotted(65)),
                false,
            ),
            (
                "lists",
                "a = ".to_owned() + &"[".repeat(most) + &"]".repeat(most),
                true,
            ),
            (
                "keys beside each other",
                format!("{} = 1\n", dotted(100))
                    .repeat(100)
                    .replace("a.a", "b.a"),
                false,
            ),
            (
                "lists beside each other",
                format!("a = [{}]", "[[[1]]], {b = {c = 1}}, ".repeat(200)),
                false,
            ),
            (
                "the product",
                format!("{} = {{ ", dotted(70)).repeat(70) + &"}".repeat(70),
                true,
            ),
        ] {
            assert_eq!(is_too_deep(&text), is_deep, "{label}");
        }
    }
}
