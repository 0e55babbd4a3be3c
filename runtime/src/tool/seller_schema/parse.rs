//! From a schema's JSON to what is evaluated. A keyword whose cost is not known is refused, and what an evaluation costs at
//! most is added up on the way.

use super::fuel::{Bound, DECIMAL, STEP, Size};
use super::keywords::{Holds, holds, remedy};
use super::node::{Id, Keyword, Schema};
use super::reference::{decoded, schema_at};
use super::whole::Whole;
use crate::violation::{pointer_part, quoted};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::{fmt, ptr};

/// The most subschemas of a schema with its references written out: a few lines of references to references can stand
/// for billions.
const SUBSCHEMAS_MAX: u64 = 10_000;
/// The most subschemas inside each other, references written out: the evaluation recurses this deep.
const LEVELS_MAX: u32 = 64;

/// A schema that can be evaluated.
pub(super) struct Parsed {
    pub(super) schemas: Vec<Schema>,
    pub(super) root: Id,
    pub(super) bound: Bound,
    pub(super) pattern_bytes: u64,
}

/// The JSON says what the schemas are, in an order that is always the same.
impl fmt::Debug for Parsed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Parsed")
            .field("schemas", &self.schemas.len())
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

/// Parses a schema, or says the reason against it. References must be local and lead to schemas, must not lead back to
/// themselves, and must not multiply. The depth of the text itself is the caller's to bound.
pub(super) fn parse(json: &Value) -> Result<Parsed, String> {
    let mut parser = Parser {
        json,
        schemas: Vec::new(),
        wholes: Vec::new(),
        done: HashMap::new(),
        open: HashSet::new(),
        place: Vec::new(),
        pattern_bytes: 0,
        translated_bytes: 0,
    };
    let root = parser.schema(json, 1)?;
    Ok(Parsed {
        bound: parser.whole(root).bound,
        pattern_bytes: parser.pattern_bytes as u64,
        schemas: parser.schemas,
        root,
    })
}

pub(super) struct Parser<'j> {
    json: &'j Value,
    schemas: Vec<Schema>,
    /// Of each schema.
    wholes: Vec<Whole>,
    /// Schemas that are parsed, by their address in `json`: however often and by however many names one is referred to, it
    /// is parsed and kept once.
    done: HashMap<*const Value, Id>,
    /// Addresses of schemas that are being parsed.
    open: HashSet<*const Value>,
    /// Where the parser is, for messages.
    place: Vec<String>,
    pub(super) pattern_bytes: usize,
    pub(super) translated_bytes: usize,
}

impl<'j> Parser<'j> {
    fn whole(&self, id: Id) -> Whole {
        self.wholes[id.0 as usize]
    }

    fn schema(&mut self, json: &'j Value, level: u32) -> Result<Id, String> {
        let address = ptr::from_ref(json);
        if let Some(id) = self.done.get(&address) {
            return Ok(*id);
        }
        // Before anything recurses deeper.
        if level > LEVELS_MAX {
            return Err(too_deep());
        }
        self.open.insert(address);
        let mut whole = Whole::new();
        let schema = match json {
            Value::Bool(true) => Schema::Always,
            Value::Bool(false) => Schema::Never,
            Value::Object(object) => {
                let keywords = self.keywords(object, &mut whole, level)?;
                Schema::Keywords(keywords.into())
            }
            _ => return Err(self.wrong("must be a schema: an object, `true` or `false`")),
        };
        if whole.subschemas > SUBSCHEMAS_MAX || self.schemas.len() as u64 >= SUBSCHEMAS_MAX {
            return Err(format!(
                "the schema has more than {SUBSCHEMAS_MAX} subschemas when its references are written out"
            ));
        }
        // A schema that was referred to before may be deep itself.
        if whole.levels > LEVELS_MAX {
            return Err(too_deep());
        }
        let id = Id(u32::try_from(self.schemas.len()).map_err(|_| too_deep())?);
        self.schemas.push(schema);
        self.wholes.push(whole);
        self.open.remove(&address);
        self.done.insert(address, id);
        Ok(id)
    }

    /// A subschema of what is being parsed.
    fn inner(&mut self, json: &'j Value, whole: &mut Whole, level: u32) -> Result<Id, String> {
        let id = self.schema(json, level + 1)?;
        whole.with(self.whole(id));
        Ok(id)
    }

    fn keywords(
        &mut self,
        object: &'j Map<String, Value>,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Vec<Keyword>, String> {
        let mut keywords = Vec::new();
        for (name, value) in object {
            let Some(holds) = holds(name) else {
                return Err(self.refused(name));
            };
            if holds == Holds::Annotation {
                continue;
            }
            whole.costs(STEP, 0);
            self.place.push(pointer_part(name));
            keywords.extend(self.keyword(name, holds, value, object, whole, level)?);
            self.place.pop();
        }
        Ok(keywords)
    }

    /// `None` for a keyword that another one of the same object takes care of.
    fn keyword(
        &mut self,
        name: &str,
        holds: Holds,
        value: &'j Value,
        object: &'j Map<String, Value>,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Option<Keyword>, String> {
        Ok(Some(match holds {
            Holds::Annotation => return Ok(None),
            Holds::Reference => Keyword::Reference(self.reference(value, whole, level)?),
            Holds::Definitions => {
                // Definitions are evaluated only by reference, but all of them must be valid.
                for (name, schema) in self.object(value)? {
                    self.place.push(pointer_part(name));
                    self.schema(schema, level + 1)?;
                    self.place.pop();
                }
                return Ok(None);
            }
            Holds::Type => Keyword::Type(self.types(value)?),
            Holds::Constant => {
                let Size { parts, text_bytes } = Size::of(value);
                whole.costs(parts * 2 * STEP + text_bytes, 0);
                match (name, value) {
                    ("enum", Value::Array(constants)) => Keyword::Enum(constants.clone()),
                    ("enum", _) => return Err(self.wrong("must be a list")),
                    _ => Keyword::Const(value.clone()),
                }
            }
            Holds::Number => {
                let number = self.number(value)?;
                match name {
                    "minimum" => Keyword::Minimum(number),
                    "maximum" => Keyword::Maximum(number),
                    "exclusiveMinimum" => Keyword::ExclusiveMinimum(number),
                    "exclusiveMaximum" => Keyword::ExclusiveMaximum(number),
                    _ if number.as_f64().is_some_and(|it| it > 0.0) => {
                        whole.costs(DECIMAL, 0);
                        Keyword::MultipleOf(number)
                    }
                    _ => return Err(self.wrong("must be greater than 0")),
                }
            }
            Holds::Count => {
                let count = self.count(value)?;
                match name {
                    "minLength" => {
                        whole.costs(0, 1);
                        Keyword::MinLength(count)
                    }
                    "maxLength" => {
                        whole.costs(0, 1);
                        Keyword::MaxLength(count)
                    }
                    "minItems" => Keyword::MinItems(count),
                    "maxItems" => Keyword::MaxItems(count),
                    "minProperties" => Keyword::MinProperties(count),
                    "maxProperties" => Keyword::MaxProperties(count),
                    // `contains` takes care of its counts.
                    _ => return Ok(None),
                }
            }
            Holds::Flag => match value {
                Value::Bool(true) => {
                    whole.costs(2 * DECIMAL, 3);
                    Keyword::UniqueItems
                }
                Value::Bool(false) => return Ok(None),
                _ => return Err(self.wrong("must be `true` or `false`")),
            },
            Holds::Pattern => Keyword::Pattern(self.pattern(value, whole)?),
            Holds::Names => Keyword::Required(self.names(value, whole)?),
            Holds::DependentNames => {
                let mut dependents = Vec::new();
                for (name, names) in self.object(value)? {
                    whole.costs(STEP + name.len() as u64, 0);
                    dependents.push((name.as_str().into(), self.names(names, whole)?));
                }
                Keyword::DependentRequired(dependents)
            }
            Holds::DependentSchemas => {
                let mut dependents = Vec::new();
                for (name, id) in self.named(value, whole, level)? {
                    whole.costs(STEP + name.len() as u64, 0);
                    dependents.push((name, id));
                }
                Keyword::DependentSchemas(dependents)
            }
            Holds::Items => return self.items(name, object, whole, level),
            Holds::Fields => return self.fields(name, object, whole, level),
            Holds::Contains => {
                let schema = self.inner(value, whole, level)?;
                let mut count = |key: &str| {
                    let count = object.get(key);
                    let count = count.map(|it| self.beside(key, |parser| parser.count(it)));
                    count.transpose()
                };
                let (min, max) = (count("minContains")?, count("maxContains")?);
                Keyword::Contains {
                    schema,
                    min: min.unwrap_or(1),
                    max,
                }
            }
            Holds::NamesSchema => {
                whole.costs(2 * STEP, 1);
                Keyword::PropertyNames(self.inner(value, whole, level)?)
            }
            Holds::Not => Keyword::Not(self.inner(value, whole, level)?),
            Holds::If => {
                let condition = self.inner(value, whole, level)?;
                let then = self.branch("then", object, whole, level)?;
                let otherwise = self.branch("else", object, whole, level)?;
                Keyword::If {
                    condition,
                    then,
                    otherwise,
                }
            }
            // They are `if`'s, and without it nothing.
            Holds::Branch if object.contains_key("if") => return Ok(None),
            Holds::Branch => {
                self.schema(value, level + 1)?;
                return Ok(None);
            }
            Holds::Schemas => {
                let ids = self.list(value, whole, level)?;
                match name {
                    _ if ids.is_empty() => return Err(self.wrong("must have a schema in it")),
                    "allOf" => Keyword::AllOf(ids),
                    "anyOf" => Keyword::AnyOf(ids),
                    _ => Keyword::OneOf(ids),
                }
            }
        }))
    }

    pub(super) fn branch(
        &mut self,
        name: &str,
        object: &'j Map<String, Value>,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Option<Id>, String> {
        let schema = object.get(name);
        let schema = schema.map(|it| self.beside(name, |parser| parser.inner(it, whole, level)));
        schema.transpose()
    }

    /// Parses the value of another keyword of the same object.
    pub(super) fn beside<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        let own = self.place.pop();
        self.place.push(name.to_owned());
        let parsed = parse(self)?;
        self.place.pop();
        self.place.extend(own);
        Ok(parsed)
    }

    pub(super) fn named(
        &mut self,
        value: &'j Value,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Vec<(Box<str>, Id)>, String> {
        let mut named = Vec::new();
        for (name, schema) in self.object(value)? {
            self.place.push(pointer_part(name));
            let id = self.inner(schema, whole, level)?;
            self.place.pop();
            named.push((name.as_str().into(), id));
        }
        Ok(named)
    }

    pub(super) fn list(
        &mut self,
        value: &'j Value,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Vec<Id>, String> {
        let Value::Array(schemas) = value else {
            return Err(self.wrong("must be a list of schemas"));
        };
        let mut ids = Vec::with_capacity(schemas.len());
        for (index, schema) in schemas.iter().enumerate() {
            self.place.push(index.to_string());
            ids.push(self.inner(schema, whole, level)?);
            self.place.pop();
        }
        Ok(ids)
    }

    fn reference(&mut self, value: &'j Value, whole: &mut Whole, level: u32) -> Result<Id, String> {
        let Value::String(target) = value else {
            return Err(self.wrong("must be a string"));
        };
        let named = quoted(target);
        let pointer = target.strip_prefix('#');
        let pointer = pointer.filter(|it| it.is_empty() || it.starts_with('/'));
        let pointer = pointer.and_then(decoded).ok_or_else(|| {
            format!("`$ref` to `{named}`: only places in the same schema can be referred to")
        })?;
        let there = schema_at(self.json, &pointer);
        let there = there.ok_or_else(|| {
            format!("`$ref` to `{named}`: there is no schema in the same document")
        })?;
        if self.open.contains(&ptr::from_ref(there)) {
            return Err(format!("`$ref` to `{named}` leads back to itself"));
        }
        let place = std::mem::replace(&mut self.place, vec![format!("({named})")]);
        let id = self.schema(there, level + 1)?;
        self.place = place;
        whole.with(self.whole(id));
        Ok(id)
    }

    pub(super) fn pointer(&self) -> String {
        let parts = self.place.iter().map(|part| format!("/{part}"));
        parts.collect()
    }

    pub(super) fn wrong(&self, what: &str) -> String {
        format!(
            "not a usable JSON schema: `{}` {what}",
            quoted(&self.pointer())
        )
    }

    fn refused(&self, keyword: &str) -> String {
        let (name, remedy) = (quoted(keyword), remedy(keyword));
        let place = match self.place.is_empty() {
            true => String::new(),
            false => format!(" (at {})", quoted(&self.pointer())),
        };
        format!("`{name}`{place} is not a keyword that a tool's schema may use; {remedy}")
    }
}

fn too_deep() -> String {
    format!("the schema has more than {LEVELS_MAX} levels when its references are written out")
}
