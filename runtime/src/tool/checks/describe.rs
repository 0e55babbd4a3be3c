//! Reads the tree of types from a validated component.

use crate::limits::DEPTH_MAX;
use crate::tool::docs::{PackageDocs, TypeDocs};
use crate::tool::survey::Survey;
use crate::value::{Case, Integer, Label, Parameter, Shape, Type};
use crate::violation::Violation;
use std::collections::HashMap;
use std::rc::Rc;
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

/// The most bytes of names and documentation in them, as JSON, for the same reason. JSON takes six bytes for a control
/// character.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The length of a text in JSON, without the quotes.
pub(super) fn json_bytes_of(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    bytes.sum()
}

/// Turns a component's types into ours, with their documentation.
pub(crate) struct Describer<'a> {
    types: &'a Types,
    docs: Rc<PackageDocs>,
    /// Named types: the interface they stand in, and their name there.
    names: HashMap<ComponentDefinedTypeId, (Option<Rc<str>>, Rc<str>)>,
    nodes: usize,
    text_bytes: usize,
}

impl<'a> Describer<'a> {
    pub(crate) fn new(survey: &Survey<'_>, types: &'a Types, docs: PackageDocs) -> Self {
        let mut describer = Self {
            types,
            docs: Rc::new(docs),
            names: HashMap::new(),
            nodes: 0,
            text_bytes: 0,
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
                self.names.insert(id, (None, name.into()));
            }
            Some(ComponentEntityType::Instance(instance)) => {
                let interface: Rc<str> = name.into();
                for (inner, item) in &self.types[instance].exports {
                    if let ComponentEntityType::Type {
                        created: ComponentAnyTypeId::Defined(id),
                        ..
                    } = item.ty
                    {
                        self.names
                            .insert(id, (Some(Rc::clone(&interface)), inner.as_str().into()));
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

    /// Counts parts of the written-out types, and the text in them.
    pub(super) fn take(&mut self, nodes: usize, text_bytes: usize) -> Result<(), Violation> {
        self.nodes += nodes;
        self.text_bytes += text_bytes;
        let message = if self.nodes > NODES_MAX {
            format!("the functions' types have more than {NODES_MAX} parts when written out")
        } else if self.text_bytes > TEXT_BYTES_MAX {
            format!(
                "the functions' types have more than {TEXT_BYTES_MAX} bytes of names and documentation when written out"
            )
        } else {
            return Ok(());
        };
        Err(Violation::new("types_too_many", message))
    }

    fn value(
        &mut self,
        ty: &ComponentValType,
        scope: Option<&str>,
        depth: usize,
    ) -> Result<Type, Violation> {
        self.take(1, 0)?;
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
        let docs = Rc::clone(&self.docs);
        let none = TypeDocs::default();
        let type_docs = self.type_docs(&docs, id, scope).unwrap_or(&none);
        let items = &type_docs.items;
        self.take(0, type_docs.docs.as_deref().map_or(0, json_bytes_of))?;
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
                Shape::Record(self.fields(record, items, scope, depth)?)
            }
            ComponentDefinedType::Variant(variant) => {
                Shape::Variant(self.cases(variant, items, scope, depth)?)
            }
            ComponentDefinedType::Enum(names) => Shape::Enum(self.labels(names, items)?),
            ComponentDefinedType::Flags(names) => Shape::Flags(self.labels(names, items)?),
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
            docs: type_docs.docs.clone(),
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
            self.take_item(name, items, 0)?;
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
            self.take_item(name, items, 1)?;
            let payload = case.ty.as_ref().map(|ty| self.value(ty, scope, depth));
            Ok(Case {
                name: name.to_string(),
                docs: items.get(name.as_str()).cloned(),
                payload: payload.transpose()?,
            })
        });
        cases.collect()
    }

    fn labels<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n KebabString>,
        items: &HashMap<String, String>,
    ) -> Result<Vec<Label>, Violation> {
        let labels = names.into_iter().map(|name| {
            self.take_item(name, items, 1)?;
            let docs = items.get(name.as_str()).cloned();
            let name = name.to_string();
            Ok(Label { name, docs })
        });
        labels.collect()
    }

    fn take_item(
        &mut self,
        name: &KebabString,
        items: &HashMap<String, String>,
        nodes: usize,
    ) -> Result<(), Violation> {
        let docs_bytes = items
            .get(name.as_str())
            .map_or(0, |docs| json_bytes_of(docs));
        self.take(nodes, name.len() + docs_bytes)
    }

    fn type_docs<'d>(
        &self,
        docs: &'d PackageDocs,
        id: ComponentDefinedTypeId,
        scope: Option<&str>,
    ) -> Option<&'d TypeDocs> {
        let (interface, name) = self.names.get(&id)?;
        let of_interface = docs.ty(interface.as_deref().or(scope), name);
        of_interface.or_else(|| docs.ty(None, name))
    }
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

#[cfg(test)]
mod tests {
    use super::json_bytes_of;

    #[test]
    fn text_is_counted_as_json() {
        for text in ["plain", "\u{1}\u{1f}", "\"\\", "ü\u{7f}"] {
            let json = serde_json::Value::from(text).to_string();
            assert_eq!(json_bytes_of(text) + 2, json.len(), "{json}");
        }
    }
}
