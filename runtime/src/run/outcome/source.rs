//! From offsets in a tool's file to source files and lines, when someone who may see them asks.
//!
//! Nothing of this is done while a tool runs: its debug sections are the seller's input too. Only the line tables are
//! read, each once, from the section's beginning to its end, and no row of them is kept. Of the units, which may share
//! tables so that a small file stands for an enormous one, nothing is read. So a file's length bounds what it takes.

use crate::run::outcome::Frame;
use crate::violation::quoted;
use gimli::{
    AttributeValue, DebugLine, DebugLineOffset, EndianSlice, FileEntry, LineProgramHeader,
    LittleEndian, Reader,
};
use std::collections::HashMap;
use std::ops::Range;
use wasmparser::{Parser, Payload};

/// The most bytes of a module's line tables.
const LINE_TABLES_BYTES_MAX: usize = 16 << 20;
/// The most bytes of one line table.
const LINE_TABLE_BYTES_MAX: usize = 4 << 20;
/// The most bytes of its list of files. A byte can stand for an entry of a hundred.
const FILES_BYTES_MAX: usize = 512 << 10;
/// The most bytes of a file's name, and of its folder's.
const NAME_BYTES_MAX: usize = 4096;
/// The bytes of an address.
const ADDRESS_BYTES: u8 = 4;

/// Sets file and line of each frame that the tool's own debug sections know of. A file's name is absolute, or
/// relative to the folder that it was compiled in.
pub fn resolve(wasm: &[u8], frames: &mut [Frame]) {
    let mut offsets: Vec<u64> = frames.iter().map(|frame| frame.offset).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut places = HashMap::new();
    for_each_module(wasm, |module| module.find(&offsets, &mut places));
    for frame in frames {
        if let Some(place) = places.get(&frame.offset) {
            frame.file.clone_from(&place.file);
            frame.line = place.line;
        }
    }
}

struct Place {
    file: Option<String>,
    line: Option<u32>,
}

/// A core module in the file: where its code is, and its debug sections.
#[derive(Default)]
struct ModuleSections<'a> {
    code: Range<usize>,
    lines: Bytes<'a>,
    line_names: Bytes<'a>,
    names: Bytes<'a>,
}

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

impl<'a> ModuleSections<'a> {
    /// Finds those offsets, which are in order, that are of this module's code.
    fn find(&self, offsets: &[u64], places: &mut HashMap<u64, Place>) {
        // Addresses in the debug sections of WebAssembly count from the start of the code section's content.
        let (start, end) = (self.code.start as u64, self.code.end as u64);
        let from = offsets.partition_point(|offset| *offset < start);
        let to = offsets.partition_point(|offset| *offset < end);
        let mut addresses: Vec<u64> = offsets[from..to].iter().map(|it| it - start).collect();
        let mut tables = self.lines;
        if tables.len() > LINE_TABLES_BYTES_MAX {
            return;
        }
        while !addresses.is_empty()
            && let Ok(table) = next_table(&mut tables)
        {
            // What cannot be read of one table says nothing of the next.
            let _ = self.find_in(table, &mut addresses, |address, place| {
                places.insert(start + address, place);
            });
        }
    }

    /// Takes those addresses, which are in order, that the table has rows for.
    fn find_in(
        &self,
        table: Bytes<'a>,
        addresses: &mut Vec<u64>,
        mut found: impl FnMut(u64, Place),
    ) -> gimli::Result<()> {
        if table.len() > LINE_TABLE_BYTES_MAX || files_bytes(table)? > FILES_BYTES_MAX {
            return Ok(());
        }
        let table = DebugLine::from(table);
        let program = table.program(DebugLineOffset(0), ADDRESS_BYTES, None, None)?;
        let mut rows = program.rows();
        let mut previous: Option<Row> = None;
        while let Some((header, row)) = rows.next_row()? {
            let address = row.address();
            if let Some(it) = &previous
                && it.is_of_code
            {
                let from = addresses.partition_point(|one| *one < it.address);
                let to = addresses.partition_point(|one| *one < address);
                if from < to {
                    for address in addresses.drain(from..to) {
                        let file = self.file(header, it.file);
                        found(
                            address,
                            Place {
                                file,
                                line: it.line,
                            },
                        );
                    }
                }
            }
            previous = match row.end_sequence() {
                true => None,
                false => Some(Row {
                    address,
                    file: row.file_index(),
                    line: row.line().and_then(|line| u32::try_from(line.get()).ok()),
                    is_of_code: previous.map_or(address != 0, |it| it.is_of_code),
                }),
            };
        }
        Ok(())
    }

    fn file(&self, header: &LineProgramHeader<Bytes<'a>>, index: u64) -> Option<String> {
        let file = header.file(index)?;
        let name = self.text(file.path_name())?;
        let path = match self.folder(header, file) {
            Some(folder) if !name.starts_with('/') => format!("{folder}/{name}"),
            _ => name,
        };
        Some(quoted(&path))
    }

    /// None is said of the folder that it was compiled in: of that each version of DWARF knows something else.
    fn folder(
        &self,
        header: &LineProgramHeader<Bytes<'a>>,
        file: &FileEntry<Bytes<'a>>,
    ) -> Option<String> {
        match file.directory_index() {
            0 => None,
            _ => self.text(file.directory(header)?),
        }
    }

    fn text(&self, value: AttributeValue<Bytes<'a>>) -> Option<String> {
        let (text, at) = match value {
            AttributeValue::String(text) => (text, 0),
            AttributeValue::DebugStrRef(it) => (self.names, it.0),
            AttributeValue::DebugLineStrRef(it) => (self.line_names, it.0),
            _ => return None,
        };
        let text = text.get(at..)?;
        let text = &text[..text.len().min(NAME_BYTES_MAX)];
        let name = text.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }
}

/// A row of a line table: it is of the code until the next one's address.
struct Row {
    address: u64,
    file: u64,
    line: Option<u32>,
    /// Code that the linker left out may be said to begin at 0, where there is none.
    is_of_code: bool,
}

/// Takes the next of the tables, with its length before it.
fn next_table<'a>(tables: &mut Bytes<'a>) -> gimli::Result<Bytes<'a>> {
    let mut rest = *tables;
    let (length, _format) = rest.read_initial_length()?;
    rest.skip(length)?;
    tables.split(tables.len() - rest.len())
}

/// Bytes of a table's header, which are those of its files but for a few.
fn files_bytes(mut table: Bytes<'_>) -> gimli::Result<usize> {
    let (_, format) = table.read_initial_length()?;
    if table.read_u16()? >= 5 {
        let _sizes_of_address_and_segment = table.read_u16()?;
    }
    table.read_length(format)
}

fn for_each_module<'a>(wasm: &'a [u8], mut found: impl FnMut(ModuleSections<'a>)) {
    let mut open: Vec<ModuleSections<'a>> = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::Version { .. }) => open.push(ModuleSections::default()),
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(module) = open.last_mut() {
                    module.code = range;
                }
            }
            Ok(Payload::CustomSection(section)) => {
                let data = EndianSlice::new(section.data(), LittleEndian);
                if let Some(module) = open.last_mut() {
                    match section.name() {
                        ".debug_line" => module.lines = data,
                        ".debug_line_str" => module.line_names = data,
                        ".debug_str" => module.names = data,
                        _ => {}
                    }
                }
            }
            Ok(Payload::End(_)) => {
                if let Some(module) = open.pop() {
                    found(module);
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
}
