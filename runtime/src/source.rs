//! From offsets in a tool's file to source files and lines, when someone who may see them asks.
//!
//! Nothing of this is done while a tool runs: its debug sections are the seller's input too, and reading them may
//! take long however small they are. Ask on a thread that can be given up.

use crate::outcome::Frame;
use crate::violation::quoted;
use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The most bytes of line tables read: a byte can stand for a row, and a row takes some forty in memory.
const LINE_TABLE_BYTES_MAX: usize = 4 << 20;

/// Sets file and line of each frame that the tool's own debug sections know of.
pub fn resolve(wasm: &[u8], frames: &mut [Frame]) {
    for module in modules(wasm) {
        let is_in =
            |frame: &Frame| usize::try_from(frame.offset).is_ok_and(|it| module.code.contains(&it));
        if !frames.iter().any(is_in) {
            continue;
        }
        let Some(lines) = module.lines() else {
            continue;
        };
        for frame in frames.iter_mut().filter(|frame| is_in(frame)) {
            let address = frame.offset - module.code.start as u64;
            if let Ok(Some(location)) = lines.find_location(address) {
                frame.file = location.file.map(quoted);
                frame.line = location.line;
            }
        }
    }
}

/// A core module in the file: where its code is, and its debug sections.
#[derive(Default)]
struct ModuleSections<'a> {
    code: Range<usize>,
    debug: HashMap<&'a str, &'a [u8]>,
}

type Reader<'a> = EndianSlice<'a, LittleEndian>;

impl<'a> ModuleSections<'a> {
    /// Addresses in the debug sections of WebAssembly count from the start of the code section's content.
    fn lines(&self) -> Option<Context<Reader<'a>>> {
        if self
            .debug
            .get(SectionId::DebugLine.name())
            .is_some_and(|table| table.len() > LINE_TABLE_BYTES_MAX)
        {
            return None;
        }
        let section = |id: SectionId| -> Result<Reader<'a>, addr2line::gimli::Error> {
            Ok(EndianSlice::new(
                self.debug.get(id.name()).copied().unwrap_or_default(),
                LittleEndian,
            ))
        };
        Context::from_dwarf(Dwarf::load(section).ok()?).ok()
    }
}

fn modules(wasm: &[u8]) -> Vec<ModuleSections<'_>> {
    let mut modules = Vec::new();
    let mut open: Vec<ModuleSections<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::Version { .. }) => open.push(ModuleSections::default()),
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(module) = open.last_mut() {
                    module.code = range;
                }
            }
            Ok(Payload::CustomSection(section)) if section.name().starts_with(".debug_") => {
                if let Some(module) = open.last_mut() {
                    module.debug.insert(section.name(), section.data());
                }
            }
            Ok(Payload::End(_)) => modules.extend(open.pop()),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    modules.retain(|module| !module.debug.is_empty());
    modules
}
