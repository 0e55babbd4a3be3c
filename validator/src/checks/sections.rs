//! Custom sections: what the engine leaves alone, and every upload carries.

use tollgate_runtime::{Violation, quoted};
use wasmparser::{Parser, Payload};

/// Less than that is nobody's trouble.
const LARGE_BYTES: usize = 1 << 20;

/// Of a file that was read before, with the modules inside of it.
pub(super) fn notes(wasm: &[u8]) -> Vec<Violation> {
    let payloads = Parser::new(0).parse_all(wasm).flatten();
    let sections = payloads.filter_map(|payload| match payload {
        Payload::CustomSection(section) => Some((section.data().len(), section.name())),
        _ => None,
    });
    let sections: Vec<_> = sections.collect();
    let bytes: usize = sections.iter().map(|(bytes, _)| bytes).sum();
    let Some((_, largest)) = sections.iter().max() else {
        return Vec::new();
    };
    if bytes < LARGE_BYTES || bytes < wasm.len() / 2 {
        return Vec::new();
    }
    let message = format!(
        "debug and other custom sections are {} KiB of the file's {}; the largest is `{}`",
        bytes / 1024,
        wasm.len() / 1024,
        quoted(largest)
    );
    vec![Violation::new("sections_large", message).in_section("custom")]
}
