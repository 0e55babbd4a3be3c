//! One definition of a file, component or module, section by section.

use super::counted::types_in;
use super::kinds::{component_kind, core_kind};
use super::{
    CORE_NAME_BYTES, Counts, CustomSection, DEPTH_READ_MAX, Export, Import, Memory, NAME_BYTES,
    Survey, Table, Unreadable, type_depth,
};
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Payload, TypeRef,
};

/// A component or module whose sections are being read.
#[derive(Debug, Default)]
pub(super) struct Definition {
    is_module: bool,
    counts: Counts,
    /// Index spaces of a component: what instantiating each entry makes.
    modules: Vec<Counts>,
    components: Vec<Counts>,
}

impl<'a> Survey<'a> {
    pub(super) fn take(
        &mut self,
        payload: Payload<'a>,
        open: &mut Vec<Definition>,
    ) -> Result<(), Unreadable> {
        self.count_entries(&payload, open.len() == 1)?;
        self.count_names(&payload)?;
        match payload {
            Payload::Version {
                encoding, range, ..
            } => {
                if open.is_empty() {
                    self.encoding = encoding;
                }
                if open.len() > DEPTH_READ_MAX {
                    let offset = range.start;
                    return Err(Unreadable::TooDeep { offset });
                }
                let is_module = encoding == Encoding::Module;
                open.push(Definition {
                    is_module,
                    ..Definition::default()
                });
                let depth = open.iter().filter(|it| !it.is_module).count();
                self.component_depth = self.component_depth.max(depth as u64);
            }
            Payload::End(_) => self.close(open),
            Payload::CustomSection(section) if open.len() == 1 => {
                let offset = section.data_offset();
                self.custom_sections.push(CustomSection {
                    name: section.name(),
                    data: section.data(),
                    offset,
                });
            }
            payload => {
                let is_top = open.len() == 1;
                if let Some((innermost, outer)) = open.split_last_mut() {
                    self.take_section(payload, innermost, outer, is_top)?;
                }
            }
        }
        Ok(())
    }

    /// The end of a definition: it becomes an entry of the one around it.
    fn close(&mut self, open: &mut Vec<Definition>) {
        let Some(mut closed) = open.pop() else { return };
        if closed.is_module {
            closed.counts.core_instances = 1;
            let (memories, tables) = (closed.counts.memories, closed.counts.tables);
            self.memories_per_module_max = self.memories_per_module_max.max(memories);
            self.tables_per_module_max = self.tables_per_module_max.max(tables);
        } else {
            closed.counts.component_instances = closed.counts.component_instances.saturating_add(1);
        }
        match open.last_mut() {
            Some(around) if closed.is_module => around.modules.push(closed.counts),
            Some(around) => around.components.push(closed.counts),
            None => self.counts = closed.counts,
        }
    }

    fn take_section(
        &mut self,
        payload: Payload<'a>,
        innermost: &mut Definition,
        outer: &[Definition],
        is_top: bool,
    ) -> Result<(), Unreadable> {
        if innermost.is_module {
            self.take_module_section(payload, innermost, is_top)
        } else {
            self.take_component_section(payload, innermost, outer, is_top)
        }
    }

    fn take_module_section(
        &mut self,
        payload: Payload<'a>,
        module: &mut Definition,
        is_top: bool,
    ) -> Result<(), Unreadable> {
        match payload {
            Payload::ImportSection(section) if is_top => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.import_of_module(import, offset);
                }
            }
            Payload::ExportSection(section) if is_top => {
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    let (name, kind) = (export.name.to_owned(), core_kind(export.kind));
                    self.exports.push(Export { name, kind, offset });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    let page_bytes = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16));
                    let bytes_min = memory
                        .initial
                        .saturating_mul(page_bytes.unwrap_or(u64::MAX));
                    self.memories.push(Memory { bytes_min, offset });
                    module.counts.add(Counts {
                        memories: 1,
                        memory_bytes: bytes_min,
                        ..Counts::default()
                    });
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    let elements_min = table.ty.initial;
                    self.tables.push(Table {
                        elements_min,
                        offset,
                    });
                    module.counts.tables += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn take_component_section(
        &mut self,
        payload: Payload<'a>,
        component: &mut Definition,
        outer: &[Definition],
        is_top: bool,
    ) -> Result<(), Unreadable> {
        match payload {
            Payload::InstanceSection(section) => {
                self.instantiations += u64::from(section.count());
                for instance in section.into_iter_with_offsets() {
                    match instance? {
                        (_, Instance::Instantiate { module_index, .. }) => {
                            let counts = entry(&component.modules, module_index);
                            component.counts.add(counts);
                        }
                        (offset, Instance::FromExports(exports)) => {
                            self.add_names(exports.len() as u64, CORE_NAME_BYTES, offset)?;
                        }
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                self.instantiations += u64::from(section.count());
                for instance in section.into_iter_with_offsets() {
                    let (offset, instance) = instance?;
                    self.instantiate(instance, offset, component)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.into_iter_with_offsets() {
                    let (offset, alias) = alias?;
                    self.alias(alias, offset, component, outer);
                }
            }
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let declared = type_depth::check(&self.bytes[range.clone()], range.start)?;
                self.add_names(declared, NAME_BYTES, range.start)?;
                for ty in section {
                    self.component_types += types_in(&ty?);
                }
            }
            Payload::CoreTypeSection(section) => {
                self.component_types += u64::from(section.count());
            }
            Payload::ComponentImportSection(section) => {
                for import in section.into_iter_with_offsets() {
                    let (offset, import) = import?;
                    let name = import.name.name;
                    self.import_of_component(name, import.ty, offset, component, is_top);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    self.pass(export.kind, offset, "exports", component);
                    if is_top {
                        let (name, kind) =
                            (export.name.name.to_owned(), component_kind(export.kind));
                        self.exports.push(Export { name, kind, offset });
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import_of_module(&mut self, import: wasmparser::Import<'a>, offset: usize) {
        let kind = match import.ty {
            TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
            TypeRef::Table(_) => "table",
            TypeRef::Memory(_) => "memory",
            TypeRef::Global(_) => "global",
            TypeRef::Tag(_) => "tag",
        };
        let (module, field) = (import.module.to_owned(), import.name.to_owned());
        self.imports.push(Import {
            module,
            field,
            kind,
            offset,
        });
    }

    fn import_of_component(
        &mut self,
        name: &str,
        ty: ComponentTypeRef,
        offset: usize,
        innermost: &mut Definition,
        is_top: bool,
    ) {
        self.pass(ty.kind(), offset, "imports", innermost);
        if is_top {
            let kind = component_kind(ty.kind());
            self.imports.push(Import {
                module: name.to_owned(),
                field: String::new(),
                kind,
                offset,
            });
        }
    }

    fn instantiate(
        &mut self,
        instance: ComponentInstance<'a>,
        offset: usize,
        innermost: &mut Definition,
    ) -> Result<(), Unreadable> {
        match instance {
            ComponentInstance::Instantiate {
                component_index,
                args,
            } => {
                for argument in &args {
                    self.note_passed(argument.kind, offset, "is instantiated with");
                }
                innermost
                    .counts
                    .add(entry(&innermost.components, component_index));
            }
            ComponentInstance::FromExports(exports) => {
                self.add_names(exports.len() as u64, NAME_BYTES, offset)?;
                for export in &exports {
                    self.note_passed(export.kind, offset, "bundles");
                }
            }
        }
        Ok(())
    }

    fn alias(
        &mut self,
        alias: ComponentAlias<'a>,
        offset: usize,
        innermost: &mut Definition,
        outer: &[Definition],
    ) {
        match alias {
            ComponentAlias::InstanceExport { kind, .. } => {
                self.pass(kind, offset, "takes from an instance", innermost)
            }
            ComponentAlias::CoreInstanceExport { .. } => {}
            ComponentAlias::Outer { kind, count, index } => {
                let scope = match (count as usize).checked_sub(1) {
                    None => &*innermost,
                    Some(outward) => match outer
                        .len()
                        .checked_sub(outward + 1)
                        .and_then(|at| outer.get(at))
                    {
                        Some(scope) => scope,
                        None => return,
                    },
                };
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let counts = entry(&scope.modules, index);
                        innermost.modules.push(counts);
                    }
                    ComponentOuterAliasKind::Component => {
                        let counts = entry(&scope.components, index);
                        innermost.components.push(counts);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
            }
        }
    }

    /// A component or module that comes from elsewhere takes a place in the index space; what it makes is unknown,
    /// which is why passing one is a violation.
    fn pass(
        &mut self,
        kind: ComponentExternalKind,
        offset: usize,
        how: &'static str,
        innermost: &mut Definition,
    ) {
        self.note_passed(kind, offset, how);
        match kind {
            ComponentExternalKind::Module => innermost.modules.push(Counts::default()),
            ComponentExternalKind::Component => innermost.components.push(Counts::default()),
            _ => {}
        }
    }

    fn note_passed(&mut self, kind: ComponentExternalKind, offset: usize, how: &'static str) {
        if matches!(
            kind,
            ComponentExternalKind::Module | ComponentExternalKind::Component
        ) {
            self.passed.get_or_insert((offset, how));
        }
    }
}

/// Counts of an index space's entry. An index past the end is malformed; the format check says so.
fn entry(space: &[Counts], index: u32) -> Counts {
    space.get(index as usize).copied().unwrap_or_default()
}
