//! From a built file and its manifest to the one file that is a tool: the manifest and the interface's
//! documentation become custom sections, so that one digest covers all.

use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use tollgate_runtime::manifest::{self, packed_text};
use tollgate_runtime::{Violation, docs, quoted};
use wasm_encoder::{CustomSection, Section};
use wasmparser::{Parser, Payload};
use wit_parser::{PackageMetadata, ParseError, Resolve, ResolveError, Span};

/// The file with the manifest in it; one that is there already is replaced. The manifest is only read here: that
/// its values make sense is judged with the rest of the tool.
pub fn pack(
    wasm: &[u8],
    manifest: &str,
    documentation: Option<&[u8]>,
) -> Result<Vec<u8>, Violation> {
    let mut packed = without_sections(wasm, &[manifest::SECTION, docs::SECTION])?;
    append(
        &mut packed,
        manifest::SECTION,
        packed_text(manifest)?.as_bytes(),
    );
    if let Some(documentation) = documentation {
        append(&mut packed, docs::SECTION, documentation);
    }
    Ok(packed)
}

/// The doc comments of a folder of WIT, as a `package-docs` section. Toolchains drop them from components.
pub fn documentation(wit: &Path) -> Result<Vec<u8>, Violation> {
    let unreadable = |place: String, why: String| {
        let message = format!("{place}: {}", quoted(&why));
        Violation::new("documentation_unreadable", message)
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).map_err(|error| {
        let place = match span_of(error.chain()) {
            Some(span) => resolve.render_location(span),
            None => wit.display().to_string(),
        };
        unreadable(place, error.root_cause().to_string())
    })?;
    PackageMetadata::extract(&resolve, package)
        .encode()
        .map_err(|error| unreadable(wit.display().to_string(), error.to_string()))
}

/// Where in the text something is wrong, if it is said.
fn span_of<'e>(mut layers: impl Iterator<Item = &'e (dyn Error + 'static)>) -> Option<Span> {
    let span = layers.find_map(|layer| {
        let parsing = layer.downcast_ref::<ParseError>();
        let resolving = layer.downcast_ref::<ResolveError>();
        let parsing = parsing.map(|it| it.kind().span());
        parsing.or_else(|| resolving.map(|it| it.kind().span()))
    });
    span.filter(Span::is_known)
}

fn append(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    CustomSection {
        name: Cow::Borrowed(name),
        data: Cow::Borrowed(data),
    }
    .append_to(wasm);
}

/// The file without the custom sections of those names at its top.
fn without_sections(wasm: &[u8], names: &[&str]) -> Result<Vec<u8>, Violation> {
    let mut kept = Vec::with_capacity(wasm.len());
    let mut section_start = 0;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| {
            Violation::new("format_malformed", quoted(error.message())).at(error.offset())
        })?;
        let end = match &payload {
            Payload::Version { range, .. } => {
                depth += 1;
                range.end
            }
            Payload::End(end) => {
                depth -= 1;
                *end
            }
            Payload::CustomSection(section) => {
                let end = section.range().end;
                if depth == 1 && names.contains(&section.name()) {
                    section_start = end;
                    continue;
                }
                end
            }
            payload => match payload.as_section() {
                Some((_, range)) => range.end,
                None => continue,
            },
        };
        // Sections inside nested modules and components are copied with the section that holds them.
        if depth <= 1 && end > section_start {
            kept.extend_from_slice(&wasm[section_start..end]);
            section_start = end;
        }
    }
    Ok(kept)
}
