//! Reads the tree of types from a validated component.

use super::{Case, Integer, Label, Parameter, Shape, Type};
use crate::docs::{PackageDocs, TypeDocs};
use crate::limits::DEPTH_MAX;
use crate::survey::Survey;
use crate::violation::Violation;
use std::collections::HashMap;
use wasmparser::PrimitiveValType;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType,
    ComponentValType, RecordType, VariantType,
};
use wasmparser::names::KebabString;
use wasmparser::types::Types;

/// The most nodes in the types of all functions together: types are shared in the file but not in a schema, and a
/// small file can describe an enormous one.
const NODES_MAX: usize = 10_000;

/// Turns a component's types into ours, with their documentation.
pub(crate) struct Describer<'a> {
    types: &'a Types,
    docs: PackageDocs,
    /// Named types: the interface they stand in, and their name there.
    names: HashMap<ComponentDefinedTypeId, (Option<String>, String)>,
    nodes: usize,
}

impl<'a> Describer<'a> {
    pub(crate) fn new(survey: &Survey<'_>, types: &'a Types, docs: PackageDocs) -> Self {
        let mut describer = Self {
            types,
            docs,
            names: HashMap::new(),
            nodes: 0,
        };
        for import in &survey.imports {
            let item = types.as_ref().component_item_for_import(&import.module);
            describer.name_types(&import.module, item.map(|item| item.ty));
        }
        for export in &survey.exports {
            let item = types.as_ref().component_item_for_export(&export.name);
            describer.name_types(&export.name, item.map(|item| item.ty));
        }
        describer
    }

    pub(crate) fn docs(&self) -> &PackageDocs {
        &self.docs
    }

    fn name_types(&mut self, name: &str, ty: Option<ComponentEntityType>) {
        match ty {
            Some(ComponentEntityType::Type {
                created: ComponentAnyTypeId::Defined(id),
                ..
            }) => {
                self.names.insert(id, (None, name.to_owned()));
            }
            Some(ComponentEntityType::Instance(instance)) => {
                for (inner, item) in &self.types[instance].exports {
                    if let ComponentEntityType::Type {
                        created: ComponentAnyTypeId::Defined(id),
                        ..
                    } = item.ty
                    {
                        self.names
                            .insert(id, (Some(name.to_owned()), inner.clone()));
                    }
                }
            }
            _ => {}
        }
    }

    /// The type as a function in `scope` (an interface as exported, or the world) uses it.
    pub(crate) fn describe(
        &mut self,
        scope: Option<&str>,
        ty: &ComponentValType,
    ) -> Result<Type, Violation> {
        self.value(ty, scope, DEPTH_MAX)
    }

    fn value(
        &mut self,
        ty: &ComponentValType,
        scope: Option<&str>,
        depth: usize,
    ) -> Result<Type, Violation> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let message =
                format!("the functions' types have more than {NODES_MAX} parts when written out");
            return Err(Violation::new("types_too_many", message));
        }
        let Some(depth) = depth.checked_sub(1) else {
            let message = format!("a type nests deeper than {DEPTH_MAX} levels");
            return Err(Violation::new("type_unsupported", message));
        };
        match ty {
            ComponentValType::Primitive(primitive) => primitive_shape(*primitive).map(Type::plain),
            ComponentValType::Type(id) => self.defined(*id, scope, depth),
        }
    }

    fn defined(
        &mut self,
        id: ComponentDefinedTypeId,
        scope: Option<&str>,
        depth: usize,
    ) -> Result<Type, Violation> {
        let (type_docs, items) = match self.type_docs(id, scope) {
            Some(docs) => (docs.docs.clone(), docs.items.clone()),
            None => (None, HashMap::new()),
        };
        let types = self.types;
        let shape = match &types[id] {
            ComponentDefinedType::Primitive(primitive) => primitive_shape(*primitive)?,
            ComponentDefinedType::List {
                element: ComponentValType::Primitive(PrimitiveValType::U8),
                ..
            } => Shape::Bytes,
            ComponentDefinedType::List { element, .. } => {
                Shape::List(Box::new(self.value(element, scope, depth)?))
            }
            ComponentDefinedType::Tuple(tuple) => {
                let parts = tuple.types.iter().map(|ty| self.value(ty, scope, depth));
                Shape::Tuple(parts.collect::<Result<_, _>>()?)
            }
            ComponentDefinedType::Record(record) => {
                Shape::Record(self.fields(record, &items, scope, depth)?)
            }
            ComponentDefinedType::Variant(variant) => {
                Shape::Variant(self.cases(variant, &items, scope, depth)?)
            }
            ComponentDefinedType::Enum(names) => Shape::Enum(labels(names, &items)),
            ComponentDefinedType::Flags(names) => Shape::Flags(labels(names, &items)),
            ComponentDefinedType::Option { ty, .. } => {
                Shape::Option(Box::new(self.value(ty, scope, depth)?))
            }
            ComponentDefinedType::Result { ok, err, .. } => {
                let mut side = |ty: &Option<ComponentValType>| {
                    ty.as_ref()
                        .map(|ty| self.value(ty, scope, depth).map(Box::new))
                        .transpose()
                };
                Shape::Result {
                    ok: side(ok)?,
                    err: side(err)?,
                }
            }
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => {
                return Err(unsupported("resources"));
            }
            ComponentDefinedType::Future { .. } => return Err(unsupported("futures")),
            ComponentDefinedType::Stream { .. } => return Err(unsupported("streams")),
            ComponentDefinedType::Map { .. } => return Err(unsupported("maps")),
            ComponentDefinedType::FixedLengthList { .. } => {
                return Err(unsupported("lists of fixed length"));
            }
        };
        Ok(Type {
            docs: type_docs,
            shape,
        })
    }

    fn fields(
        &mut self,
        record: &RecordType,
        items: &HashMap<String, String>,
        scope: Option<&str>,
        depth: usize,
    ) -> Result<Vec<Parameter>, Violation> {
        let fields = record.fields.iter().map(|(name, ty)| {
            let mut ty = self.value(ty, scope, depth)?;
            ty.docs = items.get(name.as_str()).cloned().or(ty.docs);
            let name = name.to_string();
            Ok(Parameter { name, ty })
        });
        fields.collect()
    }

    fn cases(
        &mut self,
        variant: &VariantType,
        items: &HashMap<String, String>,
        scope: Option<&str>,
        depth: usize,
    ) -> Result<Vec<Case>, Violation> {
        let cases = variant.cases.iter().map(|(name, case)| {
            let payload = case.ty.as_ref().map(|ty| self.value(ty, scope, depth));
            Ok(Case {
                name: name.to_string(),
                docs: items.get(name.as_str()).cloned(),
                payload: payload.transpose()?,
            })
        });
        cases.collect()
    }

    fn type_docs(&self, id: ComponentDefinedTypeId, scope: Option<&str>) -> Option<&TypeDocs> {
        let (interface, name) = self.names.get(&id)?;
        self.docs
            .ty(interface.as_deref().or(scope), name)
            .or_else(|| self.docs.ty(None, name))
    }
}

fn labels<'n>(
    names: impl IntoIterator<Item = &'n KebabString>,
    items: &HashMap<String, String>,
) -> Vec<Label> {
    let label = |name: &KebabString| Label {
        name: name.to_string(),
        docs: items.get(name.as_str()).cloned(),
    };
    names.into_iter().map(label).collect()
}

fn unsupported(what: &str) -> Violation {
    Violation::new(
        "type_unsupported",
        format!("the function's type has {what}, which JSON cannot carry"),
    )
}

fn primitive_shape(primitive: PrimitiveValType) -> Result<Shape, Violation> {
    Ok(match primitive {
        PrimitiveValType::Bool => Shape::Bool,
        PrimitiveValType::S8 => Shape::Integer(Integer::S8),
        PrimitiveValType::U8 => Shape::Integer(Integer::U8),
        PrimitiveValType::S16 => Shape::Integer(Integer::S16),
        PrimitiveValType::U16 => Shape::Integer(Integer::U16),
        PrimitiveValType::S32 => Shape::Integer(Integer::S32),
        PrimitiveValType::U32 => Shape::Integer(Integer::U32),
        PrimitiveValType::S64 => Shape::Integer(Integer::S64),
        PrimitiveValType::U64 => Shape::Integer(Integer::U64),
        PrimitiveValType::F32 => Shape::Float32,
        PrimitiveValType::F64 => Shape::Float64,
        PrimitiveValType::Char => Shape::Char,
        PrimitiveValType::String => Shape::String,
        PrimitiveValType::ErrorContext => return Err(unsupported("error contexts")),
    })
}
