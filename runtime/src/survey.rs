//! One pass over a file's bytes: what it declares, before anything believes it.
//!
//! The pass counts what one instantiation of the file would make. Components nest, and one definition may be
//! instantiated many times, so counts are kept per definition and multiplied where it is instantiated: a
//! 1 KiB file that doubles at each of 24 levels is seen as 16 million instances without making one.

use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration, ComponentTypeRef, Encoding,
    Instance, InstanceTypeDeclaration, Parser, Payload, TypeRef,
};

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
    /// Types that components define.
    pub component_types: u64,
    /// The deepest nesting of components; 1 for a component without any.
    pub component_depth: u64,
    /// Where whole components or modules are passed around as values: offset and what is done.
    pub passed: Vec<(usize, &'static str)>,
    /// Custom sections of the file itself.
    pub custom_sections: Vec<CustomSection<'a>>,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Reads the structure of a file. Instructions and types are not looked at.
pub fn survey(bytes: &[u8]) -> Result<Survey<'_>, BinaryReaderError> {
    let mut survey = Survey {
        bytes,
        encoding: Encoding::Module,
        imports: Vec::new(),
        exports: Vec::new(),
        counts: Counts::default(),
        memories: Vec::new(),
        tables: Vec::new(),
        component_types: 0,
        component_depth: 0,
        passed: Vec::new(),
        custom_sections: Vec::new(),
    };
    // The innermost definition being read is last.
    let mut open: Vec<Definition> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        survey.take(payload?, &mut open)?;
    }
    Ok(survey)
}

/// A component or module whose sections are being read.
#[derive(Debug, Default)]
struct Definition {
    is_module: bool,
    counts: Counts,
    /// Index spaces of a component: what instantiating each entry makes.
    modules: Vec<Counts>,
    components: Vec<Counts>,
}

impl<'a> Survey<'a> {
    fn take(
        &mut self,
        payload: Payload<'a>,
        open: &mut Vec<Definition>,
    ) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::Version { encoding, .. } => {
                if open.is_empty() {
                    self.encoding = encoding;
                }
                let is_module = encoding == Encoding::Module;
                open.push(Definition {
                    is_module,
                    ..Definition::default()
                });
                let depth = open
                    .iter()
                    .filter(|definition| !definition.is_module)
                    .count();
                self.component_depth = self.component_depth.max(depth as u64);
            }
            Payload::End(_) => self.close(open),
            Payload::CustomSection(section) if open.len() == 1 => {
                let offset = section.range().start;
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
    ) -> Result<(), BinaryReaderError> {
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
                    let kind = core_kind(export.kind);
                    self.exports.push(Export {
                        name: export.name.to_owned(),
                        kind,
                        offset,
                    });
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    let page_bytes = 1_u64
                        .checked_shl(memory.page_size_log2.unwrap_or(16))
                        .unwrap_or(u64::MAX);
                    let bytes_min = memory.initial.saturating_mul(page_bytes);
                    self.memories.push(Memory { bytes_min, offset });
                    innermost.counts.memories += 1;
                    innermost.counts.memory_bytes =
                        innermost.counts.memory_bytes.saturating_add(bytes_min);
                }
            }
            Payload::TableSection(section) => {
                for table in section.into_iter_with_offsets() {
                    let (offset, table) = table?;
                    self.tables.push(Table {
                        elements_min: table.ty.initial,
                        offset,
                    });
                    innermost.counts.tables += 1;
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        innermost
                            .counts
                            .add(entry(&innermost.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.into_iter_with_offsets() {
                    let (offset, instance) = instance?;
                    self.instantiate(instance, offset, innermost);
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.into_iter_with_offsets() {
                    let (offset, alias) = alias?;
                    self.alias(alias, offset, innermost, outer);
                }
            }
            Payload::ComponentTypeSection(section) => {
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
                    self.import_of_component(
                        import.name.name,
                        import.ty,
                        offset,
                        innermost,
                        is_top,
                    );
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.into_iter_with_offsets() {
                    let (offset, export) = export?;
                    self.pass(export.kind, offset, "exports", innermost);
                    if is_top {
                        let kind = component_kind(export.kind);
                        self.exports.push(Export {
                            name: export.name.name.to_owned(),
                            kind,
                            offset,
                        });
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
    ) {
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
                for export in &exports {
                    self.note_passed(export.kind, offset, "bundles");
                }
            }
        }
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
            self.passed.push((offset, how));
        }
    }
}

/// A type and those declared inside it.
fn types_in(ty: &ComponentType<'_>) -> u64 {
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

/// Counts of an index space's entry. An index past the end is malformed; the format check says so.
fn entry(space: &[Counts], index: u32) -> Counts {
    space.get(index as usize).copied().unwrap_or_default()
}

fn core_kind(kind: wasmparser::ExternalKind) -> &'static str {
    match kind {
        wasmparser::ExternalKind::Func | wasmparser::ExternalKind::FuncExact => "function",
        wasmparser::ExternalKind::Table => "table",
        wasmparser::ExternalKind::Memory => "memory",
        wasmparser::ExternalKind::Global => "global",
        wasmparser::ExternalKind::Tag => "tag",
    }
}

fn component_kind(kind: ComponentExternalKind) -> &'static str {
    match kind {
        ComponentExternalKind::Module => "module",
        ComponentExternalKind::Func => "function",
        ComponentExternalKind::Value => "value",
        ComponentExternalKind::Type => "type",
        ComponentExternalKind::Instance => "instance",
        ComponentExternalKind::Component => "component",
    }
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
    fn a_module_is_one_instance() {
        let counts = counts("(module (memory 1) (memory 1))");
        assert_eq!(
            (counts.core_instances, counts.memories, counts.memory_bytes),
            (1, 2, 131_072)
        );
    }
}
