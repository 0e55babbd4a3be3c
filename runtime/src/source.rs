//! From offsets in a tool's file to source files and lines, when someone who may see them asks.
//!
//! Nothing of this is done while a tool runs: its debug sections are the seller's input too. Units of theirs may share
//! tables, so that a small file stands for an enormous one; what would take too long is not read at all.

use crate::outcome::Frame;
use crate::violation::quoted;
use addr2line::Context;
use addr2line::gimli::{DebugInfoUnitHeadersIter, Dwarf, EndianSlice, LittleEndian, SectionId};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The most bytes of debug sections read.
const DEBUG_BYTES_MAX: usize = 16 << 20;
/// The most units times bytes of the tables they may share: each unit is read with its whole table.
const SHARED_BYTES_MAX: usize = 1 << 30;
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
        let section = |id: SectionId| -> Result<Reader<'a>, addr2line::gimli::Error> {
            Ok(EndianSlice::new(
                self.debug.get(id.name()).copied().unwrap_or_default(),
                LittleEndian,
            ))
        };
        let dwarf = Dwarf::load(section).ok()?;
        if self.is_readable(dwarf.units()) {
            Context::from_dwarf(dwarf).ok()
        } else {
            None
        }
    }

    fn is_readable(&self, mut units: DebugInfoUnitHeadersIter<Reader<'a>>) -> bool {
        let bytes = |ids: &[SectionId]| -> usize {
            let lengths = ids.iter().filter_map(|id| self.debug.get(id.name()));
            lengths.map(|section| section.len()).sum()
        };
        let mut count = 0_usize;
        while let Ok(Some(_)) = units.next() {
            count += 1;
        }
        let lines = bytes(&[SectionId::DebugLine]);
        let ranges = bytes(&[SectionId::DebugRanges, SectionId::DebugRngLists]);
        lines <= LINE_TABLE_BYTES_MAX
            && count.saturating_mul(lines + ranges) <= SHARED_BYTES_MAX
            && self
                .debug
                .values()
                .map(|section| section.len())
                .sum::<usize>()
                <= DEBUG_BYTES_MAX
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
