//! From offsets in a tool's file to source files and lines, when someone who may see them asks.
//!
//! Nothing of this is done while a tool runs: its debug sections are the seller's input too. Units of theirs may share
//! tables, so that a small file stands for an enormous one: what all units have together is added up first, a table as
//! often as it is read. What would take too much is not read at all.

use crate::outcome::Frame;
use crate::violation::quoted;
use addr2line::Context;
use addr2line::gimli::{
    self, DW_FORM_implicit_const, Dwarf, EndianSlice, LittleEndian, Reader, SectionId, UnitHeader,
};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The most bytes of debug sections read.
const DEBUG_BYTES_MAX: usize = 16 << 20;
/// The most units read. Each takes about a KiB in memory.
const UNITS_MAX: usize = 10_000;
/// The most bytes of units' tables of abbreviations read. Five bytes can stand for one of 128 in memory.
const ABBREVIATION_BYTES_MAX: usize = 4 << 20;
/// The most ranges of addresses that units may have. Each takes some forty bytes in memory.
const RANGES_MAX: usize = 1 << 20;
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

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

impl<'a> ModuleSections<'a> {
    /// Addresses in the debug sections of WebAssembly count from the start of the code section's content.
    fn lines(&self) -> Option<Context<Bytes<'a>>> {
        let bytes = self.debug.values().map(|section| section.len());
        if bytes.sum::<usize>() > DEBUG_BYTES_MAX {
            return None;
        }
        let section = |id: SectionId| -> gimli::Result<Bytes<'a>> { Ok(self.section(id)) };
        let dwarf = Dwarf::load(section).ok()?;
        let (mut units, mut left) = (dwarf.units(), Left::default());
        while let Ok(Some(unit)) = units.next() {
            left.take(&dwarf, unit, self.section(SectionId::DebugAbbrev))?;
        }
        Context::from_dwarf(dwarf).ok()
    }

    fn section(&self, id: SectionId) -> Bytes<'a> {
        let bytes = self.debug.get(id.name()).copied().unwrap_or_default();
        EndianSlice::new(bytes, LittleEndian)
    }
}

/// What may still be read.
struct Left {
    units: usize,
    abbreviation_bytes: usize,
    ranges: usize,
    line_table_bytes: usize,
}

impl Default for Left {
    fn default() -> Self {
        Self {
            units: UNITS_MAX,
            abbreviation_bytes: ABBREVIATION_BYTES_MAX,
            ranges: RANGES_MAX,
            line_table_bytes: LINE_TABLE_BYTES_MAX,
        }
    }
}

impl Left {
    /// Takes what a unit has. `None` where there is not so much left.
    fn take(
        &mut self,
        dwarf: &Dwarf<Bytes<'_>>,
        header: UnitHeader<Bytes<'_>>,
        abbreviations: Bytes<'_>,
    ) -> Option<()> {
        take(&mut self.units, 1)?;
        let table = abbreviations.get(header.debug_abbrev_offset().0..)?;
        let table = &table[..table.len().min(self.abbreviation_bytes + 1)];
        take(&mut self.abbreviation_bytes, abbreviation_bytes(table))?;
        let Ok(unit) = dwarf.unit(header) else {
            return Some(());
        };
        if let Some(program) = &unit.line_program {
            let header = program.header();
            let bytes = header.header_length() + header.raw_program_buf().len();
            take(&mut self.line_table_bytes, bytes)?;
        }
        let Ok(mut ranges) = dwarf.unit_ranges(&unit) else {
            return Some(());
        };
        while let Ok(Some(_)) = ranges.next() {
            take(&mut self.ranges, 1)?;
        }
        Some(())
    }
}

fn take(left: &mut usize, amount: usize) -> Option<()> {
    *left = left.checked_sub(amount)?;
    Some(())
}

/// Of a table: all of them where it does not end.
fn abbreviation_bytes(table: &[u8]) -> usize {
    fn read(rest: &mut Bytes<'_>) -> gimli::Result<()> {
        while rest.read_uleb128()? != 0 {
            let (_tag, _has_children) = (rest.read_uleb128()?, rest.read_u8()?);
            loop {
                let (name, form) = (rest.read_uleb128()?, rest.read_uleb128()?);
                if form == u64::from(DW_FORM_implicit_const.0) {
                    rest.read_sleb128()?;
                }
                if (name, form) == (0, 0) {
                    break;
                }
            }
        }
        Ok(())
    }
    let mut rest = EndianSlice::new(table, LittleEndian);
    match read(&mut rest) {
        Ok(()) => table.len() - rest.len(),
        Err(_) => table.len(),
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
