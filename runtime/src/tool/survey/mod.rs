//! One pass over a file's bytes: what it declares, before anything believes it.
//!
//! The pass counts what one instantiation of the file would make. Components nest, and one definition may be
//! instantiated many times, so counts are kept per definition and multiplied where it is instantiated: a
//! 1 KiB file that doubles at each of 24 levels is seen as 16 million instances without making one.

mod counted;
mod definition;
mod kinds;
mod type_depth;

use crate::limits::Slots;
use definition::Definition;
use serde::{Deserialize, Serialize};
use wasmparser::{BinaryReaderError, Encoding, Parser};

/// What a file declares.
#[derive(Debug)]
pub struct Survey<'a> {
    /// The whole file.
    pub bytes: &'a [u8],
    /// What the header says it is.
    pub encoding: Encoding,
    /// Imports of the file itself.
    pub imports: Vec<Import>,
    /// Exports of the file itself.
    pub exports: Vec<Export>,
    /// What one instantiation makes.
    pub counts: Counts,
    /// Each memory and table that a module in the file defines, once, however often it is instantiated.
    pub memories: Vec<Memory>,
    /// See [`Survey::memories`].
    pub tables: Vec<Table>,
    /// The most memories that one module defines, whether or not it is instantiated.
    pub memories_per_module_max: u64,
    /// The most tables, likewise.
    pub tables_per_module_max: u64,
    /// Instantiations that are written down, in any definition, whether or not it is itself instantiated: each is
    /// work for whoever validates the file.
    pub instantiations: u64,
    /// Types that components define.
    pub component_types: u64,
    /// The deepest nesting of components; 1 for a component without any.
    pub component_depth: u64,
    /// Where a whole component or module is first passed around as a value: offset and what is done.
    pub passed: Option<(usize, &'static str)>,
    /// Custom sections of the file itself.
    pub custom_sections: Vec<CustomSection<'a>>,
    /// Bytes that the engine keeps for the names in the file, about.
    pub name_bytes: u64,
    /// Imports and exports of all modules and instances, and declarations of types.
    names: u64,
    /// What places are kept for above.
    entries: u64,
}

/// An import of the file.
#[derive(Debug, Clone)]
pub struct Import {
    /// `wasi:io/streams@0.2.0`, or a core import's module.
    pub module: String,
    /// A core import's field; empty for a component's.
    pub field: String,
    /// Function, instance, …
    pub kind: &'static str,
    /// Where.
    pub offset: usize,
}

/// An export of the file.
#[derive(Debug, Clone)]
pub struct Export {
    /// As it stands in the file.
    pub name: String,
    /// Function, instance, …
    pub kind: &'static str,
    /// Where.
    pub offset: usize,
}

/// A memory some module defines.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Bytes it starts with.
    pub bytes_min: u64,
    /// Where.
    pub offset: usize,
}

/// A table some module defines.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Elements it starts with.
    pub elements_min: u64,
    /// Where.
    pub offset: usize,
}

/// A custom section of the file.
#[derive(Debug, Clone, Copy)]
pub struct CustomSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its content.
    pub data: &'a [u8],
    /// Where.
    pub offset: usize,
}

/// What one instantiation makes. Saturates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Core instances.
    pub core_instances: u64,
    /// Component instances.
    pub component_instances: u64,
    /// Linear memories.
    pub memories: u64,
    /// Bytes those memories start with.
    pub memory_bytes: u64,
    /// Tables.
    pub tables: u64,
}

impl Counts {
    /// The slots of the engine's pool that one run needs.
    pub(crate) fn slots(&self) -> Slots {
        let slots = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Slots {
            runs: 1,
            memories: slots(self.memories),
            tables: slots(self.tables),
            core_instances: slots(self.core_instances),
        }
    }

    fn add(&mut self, other: Counts) {
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.component_instances = self
            .component_instances
            .saturating_add(other.component_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        self.tables = self.tables.saturating_add(other.tables);
    }
}

/// Components or types nested in each other more than this are not read: every reader of theirs takes stack or
/// time for each level. Honest tools have three or four.
const DEPTH_READ_MAX: usize = 100;

/// Imports and exports of modules and instances, wherever they are, and declarations of types: more are not read.
/// Interpreters have some ten thousand.
const NAMES_READ_MAX: u64 = 200_000;
/// Bytes that the engine keeps for each import or export of a core module, about. Measured: 100 to 125.
const CORE_NAME_BYTES: u64 = 192;
/// The same for each export of a component's instance. Measured: up to 500.
const NAME_BYTES: u64 = 512;

/// Imports, exports, memories, tables, aliases, definitions and custom sections: more are not read, since each takes a
/// place in memory that is many times its three bytes in the file. Honest tools have some hundreds.
const ENTRIES_READ_MAX: u64 = 100_000;

/// Why a file could not be surveyed.
#[derive(Debug)]
pub enum Unreadable {
    /// It is not well-formed.
    Malformed(BinaryReaderError),
    /// It nests deeper than anybody should read.
    TooDeep {
        /// Where.
        offset: usize,
    },
    /// It lists more things than anybody should read.
    TooMany {
        /// Where the list begins that is too long.
        offset: usize,
    },
}

impl From<BinaryReaderError> for Unreadable {
    fn from(error: BinaryReaderError) -> Self {
        Self::Malformed(error)
    }
}

/// Reads the structure of a file. Instructions are not looked at, types only counted.
pub fn survey(bytes: &[u8]) -> Result<Survey<'_>, Unreadable> {
    let mut survey = Survey {
        bytes,
        encoding: Encoding::Module,
        imports: Vec::new(),
        exports: Vec::new(),
        counts: Counts::default(),
        memories: Vec::new(),
        tables: Vec::new(),
        memories_per_module_max: 0,
        tables_per_module_max: 0,
        instantiations: 0,
        component_types: 0,
        component_depth: 0,
        passed: None,
        custom_sections: Vec::new(),
        name_bytes: 0,
        names: 0,
        entries: 0,
    };
    // The innermost definition being read is last.
    let mut open: Vec<Definition> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        survey.take(payload?, &mut open)?;
    }
    Ok(survey)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Counts {
        let bytes = wat::parse_str(text).expect("valid text");
        survey(&bytes).expect("well-formed").counts
    }

    #[test]
    fn instances_are_multiplied_through_definitions() {
        let counts = counts(
            r#"(component
                (component $a
                    (core module $m (memory 2) (table 3 funcref))
                    (core instance (instantiate $m))
                    (core instance (instantiate $m)))
                (component $b
                    (alias outer 1 $a (component $c))
                    (instance (instantiate $c))
                    (instance (instantiate $c)))
                (instance (instantiate $b))
                (instance (instantiate $b))
                (instance (instantiate $a)))"#,
        );
        assert_eq!(
            counts,
            Counts {
                core_instances: 10,
                component_instances: 1 + 2 + 4 + 1,
                memories: 10,
                memory_bytes: 10 * 2 * 65536,
                tables: 10,
            }
        );
    }

    #[test]
    fn both_sides_of_what_is_read() {
        let module = |memories: u64| {
            let mut count = memories;
            let mut section = Vec::new();
            while count >= 0x80 {
                section.push(count as u8 | 0x80);
                count >>= 7;
            }
            section.push(count as u8);
            section.extend([0, 1].repeat(memories as usize));
            let mut module = wasm_encoder::Module::new();
            module.section(&wasm_encoder::RawSection {
                id: 5,
                data: &section,
            });
            module.finish()
        };
        // The module itself is one.
        assert!(survey(&module(ENTRIES_READ_MAX - 1)).is_ok());
        let one_more = module(ENTRIES_READ_MAX);
        assert!(matches!(survey(&one_more), Err(Unreadable::TooMany { .. })));
    }

    /// The engine keeps them for as long as the tool is loaded, also of a module that nobody instantiates.
    #[test]
    fn names_are_weighed_wherever_they_are() {
        let bytes = |text: &str| {
            let bytes = wat::parse_str(text).expect("valid text");
            survey(&bytes).expect("well-formed").name_bytes
        };
        let import = r#"(import "a" "b" (global i32)) (import "a" "c" (global i32))"#;
        let nested = format!(r#"(component (component (core module {import})))"#);
        assert_eq!(bytes(&nested), 2 * CORE_NAME_BYTES);
        assert_eq!(
            bytes(r#"(module (func (export "f")) (func (export "g")))"#),
            2 * CORE_NAME_BYTES
        );
        let bundle = r#"(component (import "f" (func $f)) (instance (export "a" (func $f))))"#;
        assert_eq!(bytes(bundle), NAME_BYTES);
    }

    #[test]
    fn a_module_is_one_instance() {
        let counts = counts("(module (memory 1) (memory 1))");
        assert_eq!(
            (counts.core_instances, counts.memories, counts.memory_bytes),
            (1, 2, 131_072)
        );
    }
}
