//! Counts what a file declares, before a place is kept for it.

use super::{CORE_NAME_BYTES, ENTRIES_READ_MAX, NAME_BYTES, NAMES_READ_MAX, Survey, Unreadable};
use wasmparser::{ComponentType, ComponentTypeDeclaration, InstanceTypeDeclaration, Payload};

impl<'a> Survey<'a> {
    /// Counts what a place is kept for, before it is read.
    pub(super) fn count_entries(
        &mut self,
        payload: &Payload<'a>,
        is_top: bool,
    ) -> Result<(), Unreadable> {
        let (count, offset) = match payload {
            Payload::Version { range, .. } => (1, range.start),
            Payload::CustomSection(section) if is_top => (1, section.data_offset()),
            Payload::ImportSection(it) if is_top => (it.count(), it.range().start),
            Payload::ExportSection(it) if is_top => (it.count(), it.range().start),
            Payload::MemorySection(it) => (it.count(), it.range().start),
            Payload::TableSection(it) => (it.count(), it.range().start),
            Payload::ComponentAliasSection(it) => (it.count(), it.range().start),
            Payload::ComponentImportSection(it) => (it.count(), it.range().start),
            Payload::ComponentExportSection(it) => (it.count(), it.range().start),
            _ => return Ok(()),
        };
        self.entries += u64::from(count);
        match self.entries > ENTRIES_READ_MAX {
            true => Err(Unreadable::TooMany { offset }),
            false => Ok(()),
        }
    }

    /// Counts the names that the engine keeps. It only reads the length of each section.
    pub(super) fn count_names(&mut self, payload: &Payload<'a>) -> Result<(), Unreadable> {
        let (count, bytes, offset) = match payload {
            Payload::ImportSection(it) => (it.count(), CORE_NAME_BYTES, it.range().start),
            Payload::ExportSection(it) => (it.count(), CORE_NAME_BYTES, it.range().start),
            Payload::ComponentExportSection(it) => (it.count(), NAME_BYTES, it.range().start),
            _ => return Ok(()),
        };
        self.add_names(count.into(), bytes, offset)
    }

    /// Counts names of so many bytes each.
    pub(super) fn add_names(
        &mut self,
        count: u64,
        bytes: u64,
        offset: usize,
    ) -> Result<(), Unreadable> {
        self.names = self.names.saturating_add(count);
        self.name_bytes = self.name_bytes.saturating_add(count.saturating_mul(bytes));
        match self.names > NAMES_READ_MAX {
            true => Err(Unreadable::TooMany { offset }),
            false => Ok(()),
        }
    }
}

/// A type and those declared inside it.
pub(super) fn types_in(ty: &ComponentType<'_>) -> u64 {
    match ty {
        ComponentType::Component(declarations) => {
            let inner = declarations.iter().map(|declaration| match declaration {
                ComponentTypeDeclaration::Type(ty) => types_in(ty),
                _ => 1,
            });
            1 + inner.sum::<u64>()
        }
        ComponentType::Instance(declarations) => {
            let inner = declarations.iter().map(|declaration| match declaration {
                InstanceTypeDeclaration::Type(ty) => types_in(ty),
                _ => 1,
            });
            1 + inner.sum::<u64>()
        }
        _ => 1,
    }
}
