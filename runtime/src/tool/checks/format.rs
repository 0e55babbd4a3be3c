//! 2. Format: is it WebAssembly, and can its structure be read to the end.

use crate::tool::survey::{Survey, Unreadable, survey};
use crate::violation::{Violation, quoted};
use wasmparser::{BinaryReaderError, Parser};

const MAGIC: &[u8] = b"\0asm";

/// What strangers upload instead, by first bytes.
const LOOK_ALIKES: &[(&[u8], &str)] = &[
    (
        b"\x7fELF",
        "an ELF binary (a native program or a precompiled module; compile to WebAssembly instead)",
    ),
    (b"PK", "a ZIP archive"),
    (b"\x1f\x8b", "gzip; upload the file unpacked"),
    (
        b"(module",
        "WebAssembly text; assemble it with `wat2wasm` or `wasm-tools parse`",
    ),
    (
        b"(component",
        "WebAssembly text; assemble it with `wasm-tools parse`",
    ),
    (b"<", "HTML or XML"),
    (b"{", "JSON"),
    (b"#!", "a script"),
    (b"MZ", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a Java class or macOS program"),
];

pub(super) fn check(bytes: &[u8]) -> Result<Survey<'_>, Vec<Violation>> {
    if !bytes.starts_with(MAGIC) {
        let looks = LOOK_ALIKES
            .iter()
            .find(|(start, _)| bytes.starts_with(start));
        let looks = looks.map_or(String::new(), |(_, what)| format!("; it looks like {what}"));
        let message = format!("the file does not begin with the WebAssembly magic `\\0asm`{looks}");
        return Err(vec![Violation::new("format_unknown", message).at(0)]);
    }
    if !(Parser::is_core_wasm(bytes) || Parser::is_component(bytes)) {
        let message = "the file has the WebAssembly magic, but the version of neither a module nor a component";
        return Err(vec![
            Violation::new("format_unknown", message).at(MAGIC.len()),
        ]);
    }
    survey(bytes).map_err(|unreadable| {
        vec![match unreadable {
            Unreadable::Malformed(error) => malformed(&error),
            Unreadable::TooDeep { offset } => {
                let message = "components or types are nested too deep to be read";
                Violation::new("nested_too_many", message).at(offset)
            }
            Unreadable::TooMany { offset } => {
                let message = "the file lists more than is read: 100,000 memories, tables, aliases, components, sections, imports and exports of its own, or 200,000 imports, exports and declarations of types in all";
                Violation::new("entries_too_many", message).at(offset)
            }
        }]
    })
}

pub(super) fn malformed(error: &BinaryReaderError) -> Violation {
    Violation::new(
        "format_malformed",
        format!("not valid WebAssembly: {}", quoted(error.message())),
    )
    .at(error.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_webassembly_is_named() {
        let cases: &[(&[u8], &str)] = &[
            (b"\x7fELF\x02\x01\x01", "ELF"),
            (b"PK\x03\x04", "ZIP"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"<!doctype html>", "HTML"),
            (b"1234567", "magic"),
            (b"\0as", "magic"),
            (b"\0asm\x02\0\0\0", "version"),
        ];
        for (bytes, expected) in cases {
            let violations = check(bytes).expect_err("not a tool");
            assert_eq!(violations[0].code, "format_unknown", "{bytes:?}");
            assert!(
                violations[0].message.contains(expected),
                "{}",
                violations[0].message
            );
        }
    }

    #[test]
    fn a_truncated_file_is_malformed_where_it_ends() {
        let whole =
            wat::parse_str("(module (func (export \"f\") nop nop nop nop))").expect("valid text");
        // A file may end after any section; the last one ends with the file.
        let last_section = whole.len() - 9;
        for length in last_section..whole.len() {
            let violations = check(&whole[..length]).expect_err("cut short");
            assert_eq!(violations[0].code, "format_malformed", "cut at {length}");
            assert!(violations[0].place.offset.is_some());
        }
    }

    #[test]
    fn types_nested_too_deep_are_refused_without_being_read() {
        let nested = |levels: usize| {
            let mut section = vec![1];
            section.extend([0x42, 1, 1].repeat(levels));
            section.extend([0x42, 0]);
            let mut file = b"\0asm\x0d\0\x01\0\x07".to_vec();
            let mut length = section.len();
            while length >= 0x80 {
                file.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            file.push(length as u8);
            file.extend(section);
            file
        };
        assert!(check(&nested(99)).is_ok());
        assert_eq!(
            check(&nested(100)).expect_err("too deep")[0].code,
            "nested_too_many"
        );
        assert_eq!(
            check(&nested(1_000_000)).expect_err("too deep")[0].code,
            "nested_too_many"
        );
    }
}
