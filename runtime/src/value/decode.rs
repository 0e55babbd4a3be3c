//! From JSON to values of the component model, with every violation and its JSON pointer.

use super::held;
use super::names::Names;
use super::{Case, FLOAT32_MAX, Label, Parameter, Shape, Type};
use crate::violation::{Violation, pointer_part, quoted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use wasmtime::component::Val;

/// A value, as its list or record has it.
const NODE_BYTES: u64 = size_of::<Val>() as u64;
/// The most violations gathered from one input.
const VIOLATIONS_MAX: usize = 100;

/// Values of a function's parameters, in order, from an object of them by name. They take at most `bytes_max` bytes of
/// the host's: fields that are left out are values, too, so that types say how much is made of a few bytes of JSON.
pub fn decode_parameters(
    parameters: &[Parameter],
    input: &Value,
    bytes_max: u64,
) -> Result<Vec<Val>, Vec<Violation>> {
    let mut decoder = Decoder {
        path: Vec::new(),
        violations: Vec::new(),
        bytes_max,
        bytes_left: Some(bytes_max),
        names: Names::default(),
    };
    let values = decoder.fields(parameters, input);
    match values {
        Some(values) if decoder.violations.is_empty() => {
            Ok(values.into_iter().map(|(_, value)| value).collect())
        }
        _ => Err(decoder.violations),
    }
}

pub(super) struct Decoder<'j> {
    /// From the input to the value at hand. A pointer is made of it where something is wrong.
    path: Vec<Step<'j>>,
    violations: Vec<Violation>,
    bytes_max: u64,
    /// Once there are none, nothing more is made.
    bytes_left: Option<u64>,
    names: Names<'j>,
}

#[derive(Clone, Copy)]
enum Step<'j> {
    Name(&'j str),
    Index(usize),
}

impl<'j> Decoder<'j> {
    fn value(&mut self, ty: &'j Type, json: &'j Value) -> Option<Val> {
        self.take(NODE_BYTES)?;
        match &ty.shape {
            Shape::Bool => json
                .as_bool()
                .map(Val::Bool)
                .or_else(|| self.expected("true or false", json)),
            Shape::Integer(integer) => self.integer(*integer, json),
            Shape::Float32 => self
                .float(json, FLOAT32_MAX)
                .map(|number| Val::Float32(number as f32)),
            Shape::Float64 => self.float(json, f64::MAX).map(Val::Float64),
            Shape::Char => self.character(json),
            Shape::String => self.string(json).map(|text| Val::String(text.to_owned())),
            Shape::Bytes => self.bytes(json),
            Shape::List(element) => self.list(element, json),
            Shape::Tuple(parts) => self.tuple(parts, json),
            Shape::Record(fields) => self.fields(fields, json).map(Val::Record),
            Shape::Variant(cases) => self.variant(cases, json),
            Shape::Enum(labels) => self.label(labels, json).map(Val::Enum),
            Shape::Flags(labels) => self.flags(labels, json),
            Shape::Option(inner) => self.option(inner, json),
            Shape::Result { ok, err } => self.result(ok.as_deref(), err.as_deref(), json),
        }
    }

    fn fields(&mut self, fields: &'j [Parameter], json: &'j Value) -> Option<Vec<(String, Val)>> {
        let object = self.object(json)?;
        for field in fields {
            self.take(NODE_BYTES + held::name(&field.name))?;
        }
        let unknown = object
            .keys()
            .filter(|name| self.names.find(fields, name).is_none());
        let unknown = unknown.take(VIOLATIONS_MAX).collect();
        self.refuse_all(unknown, || fields.iter().map(|field| field.name.as_str()));
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            if self.is_over() {
                return None;
            }
            let value = match object.get(&field.name) {
                Some(json) => self.within(&field.name, |this| this.value(&field.ty, json)),
                None if field.ty.is_nullable() => Some(Val::Option(None)),
                None => self.within(&field.name, |this| this.violation("is missing".to_owned())),
            };
            values.extend(value.map(|value| (field.name.clone(), value)));
        }
        (values.len() == fields.len()).then_some(values)
    }

    fn character(&mut self, json: &Value) -> Option<Val> {
        let mut characters = json.as_str().unwrap_or("").chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Some(Val::Char(character)),
            _ => self.expected("a string of one character", json),
        }
    }

    fn bytes(&mut self, json: &Value) -> Option<Val> {
        match json.as_str().and_then(|text| STANDARD.decode(text).ok()) {
            Some(bytes) if self.take(bytes.len() as u64 * NODE_BYTES).is_none() => None,
            Some(bytes) => Some(Val::List(bytes.into_iter().map(Val::U8).collect())),
            None => self.expected("a base64 string (RFC 4648, with padding)", json),
        }
    }

    fn list(&mut self, element: &'j Type, json: &'j Value) -> Option<Val> {
        let Some(items) = json.as_array() else {
            return self.expected("an array", json);
        };
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            values.extend(self.within_index(index, |this| this.value(element, item)));
            if self.is_over() {
                return None;
            }
        }
        (values.len() == items.len()).then_some(Val::List(values))
    }

    fn tuple(&mut self, parts: &'j [Type], json: &'j Value) -> Option<Val> {
        let items = json.as_array().filter(|items| items.len() == parts.len());
        let Some(items) = items else {
            return self.expected(&format!("an array of {} values", parts.len()), json);
        };
        let values: Vec<_> = parts
            .iter()
            .zip(items)
            .enumerate()
            .filter_map(|(index, (ty, item))| self.within_index(index, |this| this.value(ty, item)))
            .collect();
        (values.len() == parts.len()).then_some(Val::Tuple(values))
    }

    fn variant(&mut self, cases: &'j [Case], json: &'j Value) -> Option<Val> {
        let object = self.object(json)?;
        self.refuse_unknown(object, ["tag", "val"]);
        let tag = object.get("tag").and_then(Value::as_str);
        let Some(case) = tag.and_then(|tag| self.names.find(cases, tag)) else {
            let names = one_of(cases.iter().map(|case| case.name.as_str()));
            return self.within("tag", |this| {
                this.expected(&names, object.get("tag").unwrap_or(&Value::Null))
            });
        };
        let payload = match (&case.payload, object.get("val")) {
            (None, None | Some(Value::Null)) => None,
            (None, Some(_)) => {
                return self.within("val", |this| {
                    this.violation(format!("the case `{}` carries nothing", case.name))
                });
            }
            (Some(ty), json) => {
                let json = json.unwrap_or(&Value::Null);
                Some(Box::new(self.within("val", |this| this.value(ty, json))?))
            }
        };
        Some(Val::Variant(case.name.clone(), payload))
    }

    fn label(&mut self, labels: &'j [Label], json: &Value) -> Option<String> {
        match json
            .as_str()
            .filter(|text| self.names.find(labels, text).is_some())
        {
            Some(text) => Some(text.to_owned()),
            None => self.expected(
                &one_of(labels.iter().map(|label| label.name.as_str())),
                json,
            ),
        }
    }

    fn flags(&mut self, labels: &'j [Label], json: &'j Value) -> Option<Val> {
        let Some(items) = json.as_array() else {
            return self.expected("an array of strings", json);
        };
        let mut names: Vec<String> = Vec::new();
        for (index, item) in items.iter().enumerate().take(labels.len() + 1) {
            let name = self.within_index(index, |this| this.label(labels, item))?;
            if names.contains(&name) {
                return self.within_index(index, |this| {
                    this.violation(format!("the flag `{name}` is there twice"))
                });
            }
            names.push(name);
        }
        Some(Val::Flags(names))
    }

    fn option(&mut self, inner: &'j Type, json: &'j Value) -> Option<Val> {
        if json.is_null() {
            return Some(Val::Option(None));
        }
        let value = if inner.is_nullable() {
            let object = self.object(json)?;
            self.refuse_unknown(object, ["some"]);
            let Some(some) = object.get("some") else {
                return self.expected("null or {\"some\": …}", json);
            };
            self.within("some", |this| this.value(inner, some))?
        } else {
            self.value(inner, json)?
        };
        Some(Val::Option(Some(Box::new(value))))
    }

    fn result(
        &mut self,
        ok: Option<&'j Type>,
        err: Option<&'j Type>,
        json: &'j Value,
    ) -> Option<Val> {
        let object = self.object(json)?;
        let (name, payload) = match (object.get("ok"), object.get("err")) {
            (Some(payload), None) => ("ok", payload),
            (None, Some(payload)) => ("err", payload),
            _ => return self.expected("{\"ok\": …} or {\"err\": …}", json),
        };
        self.refuse_unknown(object, ["ok", "err"]);
        let ty = if name == "ok" { ok } else { err };
        let value = match ty {
            Some(ty) => Some(Box::new(self.within(name, |this| this.value(ty, payload))?)),
            None if payload.is_null() => None,
            None => return self.within(name, |this| this.expected("null", payload)),
        };
        Some(Val::Result(if name == "ok" {
            Ok(value)
        } else {
            Err(value)
        }))
    }

    fn string(&mut self, json: &'j Value) -> Option<&'j str> {
        json.as_str().or_else(|| self.expected("a string", json))
    }

    fn object(&mut self, json: &'j Value) -> Option<&'j Map<String, Value>> {
        json.as_object()
            .or_else(|| self.expected("an object", json))
    }

    /// Refuses fields that are not among a few known ones.
    fn refuse_unknown<const N: usize>(&mut self, object: &'j Map<String, Value>, known: [&str; N]) {
        let unknown = object.keys().filter(|name| !known.contains(&name.as_str()));
        let unknown = unknown.take(VIOLATIONS_MAX).collect();
        self.refuse_all(unknown, || known.into_iter());
    }

    fn refuse_all<'n, I>(&mut self, unknown: Vec<&'j String>, known: impl Fn() -> I)
    where
        I: Iterator<Item = &'n str>,
    {
        if unknown.is_empty() {
            return;
        }
        let known = match one_of(known()) {
            none if none.is_empty() => "none".to_owned(),
            known => known,
        };
        for name in unknown {
            self.within(name, |this| {
                this.violation::<()>(format!("is not a field here (known: {known})"))
            });
        }
    }

    pub(super) fn expected<T>(&mut self, what: &str, found: &Value) -> Option<T> {
        let found = match found {
            Value::Null => "null".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            scalar => quoted(&scalar.to_string()),
        };
        self.violation(format!("expected {what}, found {found}"))
    }

    pub(super) fn violation<T>(&mut self, message: String) -> Option<T> {
        if self.violations.len() < VIOLATIONS_MAX {
            let pointer = self.pointer();
            let name = if pointer.is_empty() {
                "the input"
            } else {
                &pointer
            };
            let violation = Violation::new("input_invalid", format!("{}: {message}", quoted(name)));
            self.violations.push(violation.at_pointer(&pointer));
        }
        None
    }

    /// Whether nothing more is looked at.
    fn is_over(&self) -> bool {
        self.violations.len() >= VIOLATIONS_MAX || self.bytes_left.is_none()
    }

    /// Before something is made that takes so many bytes.
    pub(super) fn take(&mut self, bytes: u64) -> Option<()> {
        let left = self.bytes_left?;
        self.bytes_left = left.checked_sub(bytes);
        if self.bytes_left.is_none() {
            let message = format!(
                "with it the input makes values of more than {} bytes, which is more than so short an input may",
                self.bytes_max
            );
            return self.violation(message);
        }
        Some(())
    }

    fn pointer(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Name(name) => format!("/{}", pointer_part(name)),
            Step::Index(index) => format!("/{index}"),
        });
        steps.collect()
    }

    fn within<T>(&mut self, name: &'j str, walk: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.after(Step::Name(name), walk)
    }

    fn within_index<T>(
        &mut self,
        index: usize,
        walk: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.after(Step::Index(index), walk)
    }

    fn after<T>(&mut self, step: Step<'j>, walk: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.path.push(step);
        let value = walk(self);
        self.path.pop();
        value
    }
}

fn one_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    const NAMED_MAX: usize = 12;
    let mut names: Vec<_> = names
        .take(NAMED_MAX + 1)
        .map(|name| format!("`{}`", quoted(name)))
        .collect();
    if names.len() > NAMED_MAX {
        names[NAMED_MAX] = "…".to_owned();
    }
    names.join(", ")
}
