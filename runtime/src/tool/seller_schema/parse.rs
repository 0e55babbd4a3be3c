//! From a schema's JSON to what is evaluated. A keyword whose cost is not known is refused, and what an evaluation costs at
//! most is added up on the way.

use super::fuel::{Bound, DECIMAL, STEP, Size};
use super::keywords::{Holds, holds, remedy};
use super::node::{Id, Keyword, Schema, Type};
use super::pattern::{Pattern, translated_bytes};
use crate::violation::{pointer_part, quoted};
use serde_json::{Map, Number, Value};
use std::collections::{HashMap, HashSet};
use std::{fmt, ptr};

/// The most subschemas of a schema with its references written out: a few lines of references to references can stand
/// for billions.
const SUBSCHEMAS_MAX: u64 = 10_000;
/// The most subschemas inside each other, references written out: the evaluation recurses this deep.
const LEVELS_MAX: u32 = 64;
/// The most memory that all patterns of a schema take together, with what searches keep, in bytes.
const PATTERNS_BYTES_MAX: usize = 8 << 20;

/// The most bytes that are read to translate all patterns of a schema: some tenths of a second.
const TRANSLATED_BYTES_MAX: usize = 8 << 20;

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

struct Parser<'j> {
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
    pattern_bytes: usize,
    translated_bytes: usize,
}

/// A subschema with everything that is evaluated with it.
#[derive(Debug, Clone, Copy)]
struct Whole {
    bound: Bound,
    subschemas: u64,
    levels: u32,
}

impl Whole {
    fn new() -> Self {
        Self {
            bound: Bound {
                per_part: STEP,
                per_byte: 0,
            },
            subschemas: 1,
            levels: 1,
        }
    }

    fn with(&mut self, inner: Self) {
        self.bound.add(inner.bound);
        self.subschemas = self.subschemas.saturating_add(inner.subschemas);
        self.levels = self.levels.max(inner.levels + 1);
    }

    fn costs(&mut self, per_part: u64, per_byte: u64) {
        self.bound.add(Bound { per_part, per_byte });
    }
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

    fn branch(
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
    fn beside<T>(
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

    /// `items` and `prefixItems` are one: whichever comes first takes both.
    fn items(
        &mut self,
        name: &str,
        object: &'j Map<String, Value>,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Option<Keyword>, String> {
        if name == "items" && object.contains_key("prefixItems") {
            return Ok(None);
        }
        let prefix = match object.get("prefixItems") {
            Some(schemas) => {
                self.beside("prefixItems", |parser| parser.list(schemas, whole, level))?
            }
            None => Vec::new(),
        };
        let rest = self.branch("items", object, whole, level)?;
        Ok(Some(Keyword::Items { prefix, rest }))
    }

    /// `properties`, `patternProperties` and `additionalProperties` are one: the first of them takes all.
    fn fields(
        &mut self,
        name: &str,
        object: &'j Map<String, Value>,
        whole: &mut Whole,
        level: u32,
    ) -> Result<Option<Keyword>, String> {
        let parts = ["properties", "patternProperties", "additionalProperties"];
        let first = parts.into_iter().find(|it| object.contains_key(*it));
        if first != Some(name) {
            return Ok(None);
        }
        // Every name is looked up.
        whole.costs(STEP, 1);
        let mut part = |parser: &mut Self, name: &str| {
            let Some(value) = object.get(name) else {
                return Ok(Vec::new());
            };
            parser.beside(name, |parser| parser.named(value, whole, level))
        };
        let named = part(self, "properties")?.into_iter().collect();
        let by_pattern = part(self, "patternProperties")?;
        let mut patterns = Vec::new();
        for (text, id) in by_pattern {
            let pattern =
                self.beside("patternProperties", |parser| parser.compiled(&text, whole))?;
            patterns.push((pattern, id));
        }
        let others = self.branch("additionalProperties", object, whole, level)?;
        Ok(Some(Keyword::Fields {
            named,
            patterns,
            others,
        }))
    }

    fn named(
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

    fn list(&mut self, value: &'j Value, whole: &mut Whole, level: u32) -> Result<Vec<Id>, String> {
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

    fn object(&self, value: &'j Value) -> Result<&'j Map<String, Value>, String> {
        let object = value.as_object();
        object.ok_or_else(|| self.wrong("must be an object"))
    }

    fn number(&self, value: &Value) -> Result<Number, String> {
        match value {
            Value::Number(number) => Ok(number.clone()),
            _ => Err(self.wrong("must be a number")),
        }
    }

    fn count(&self, value: &Value) -> Result<u64, String> {
        let is_whole = |it: &f64| it.fract() == 0.0 && (0.0..1e15).contains(it);
        let count = value.as_u64();
        let count = count.or_else(|| Some(value.as_f64().filter(is_whole)? as u64));
        count.ok_or_else(|| self.wrong("must be a whole number that is not negative"))
    }

    fn types(&self, value: &Value) -> Result<Vec<Type>, String> {
        let names = match value {
            Value::Array(names) if !names.is_empty() => names.as_slice(),
            one => std::slice::from_ref(one),
        };
        let ty = |name: &Value| {
            let found = name.as_str().and_then(Type::named);
            found.ok_or_else(|| {
                let name = quoted(&name.to_string());
                self.wrong(&format!(
                    "names {name}, which is not a type; there are string, number, integer, boolean, object, array and null"
                ))
            })
        };
        let types: Vec<_> = names.iter().map(ty).collect::<Result<_, _>>()?;
        // Each evaluation tries every type, so the list must stay short: there are seven types.
        let twice = types
            .iter()
            .enumerate()
            .find(|(at, it)| types[..*at].contains(it));
        match twice {
            Some((_, ty)) => Err(self.wrong(&format!("names {} twice", ty.name()))),
            None => Ok(types),
        }
    }

    fn names(&self, value: &Value, whole: &mut Whole) -> Result<Vec<Box<str>>, String> {
        let invalid = || self.wrong("must be a list of names");
        let names = value.as_array().ok_or_else(invalid)?;
        let name = |name: &Value| {
            let name = name.as_str().ok_or_else(invalid)?;
            whole.costs(STEP + name.len() as u64, 0);
            Ok(name.into())
        };
        names.iter().map(name).collect()
    }

    fn pattern(&mut self, value: &Value, whole: &mut Whole) -> Result<Pattern, String> {
        match value {
            Value::String(text) => self.compiled(text, whole),
            _ => Err(self.wrong("must be a regular expression in a string")),
        }
    }

    fn compiled(&mut self, text: &str, whole: &mut Whole) -> Result<Pattern, String> {
        self.translated_bytes = self.translated_bytes.saturating_add(translated_bytes(text));
        if self.translated_bytes > TRANSLATED_BYTES_MAX {
            let reason = "makes the schema's patterns take too long to read: write fewer classes like `\\d`, `\\s` and `\\p{…}`";
            return Err(self.unusable(text, reason));
        }
        let (pattern, bytes) = Pattern::new(text).map_err(|reason| self.unusable(text, &reason))?;
        self.pattern_bytes += bytes;
        if self.pattern_bytes > PATTERNS_BYTES_MAX {
            let reason = format!(
                "makes the schema's patterns take more than {PATTERNS_BYTES_MAX} bytes together when they are compiled"
            );
            return Err(self.unusable(text, &reason));
        }
        whole.costs(pattern.per_byte(), pattern.per_byte());
        Ok(pattern)
    }

    fn unusable(&self, pattern: &str, reason: &str) -> String {
        let at = quoted(&self.pointer());
        format!("the pattern `{}` (at {at}) {reason}", quoted(pattern))
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

    fn pointer(&self) -> String {
        let parts = self.place.iter().map(|part| format!("/{part}"));
        parts.collect()
    }

    fn wrong(&self, what: &str) -> String {
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

/// A pointer without its percent-encoding.
fn decoded(pointer: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The schema that a pointer names: what stands in a place for data is none.
fn schema_at<'j>(root: &'j Value, pointer: &str) -> Option<&'j Value> {
    let mut schema = root;
    let mut tokens = pointer.split('/').skip(1);
    while let Some(token) = tokens.next() {
        let keyword = unescaped(token);
        let value = schema.get(&keyword)?;
        schema = match holds(&keyword)? {
            Holds::Schemas => value.get(tokens.next()?.parse::<usize>().ok()?)?,
            Holds::Items if keyword == "prefixItems" => {
                value.get(tokens.next()?.parse::<usize>().ok()?)?
            }
            Holds::Definitions | Holds::DependentSchemas => value.get(unescaped(tokens.next()?))?,
            Holds::Fields if keyword != "additionalProperties" => {
                value.get(unescaped(tokens.next()?))?
            }
            Holds::Items
            | Holds::Fields
            | Holds::Contains
            | Holds::NamesSchema
            | Holds::Not
            | Holds::If
            | Holds::Branch => value,
            _ => return None,
        };
    }
    Some(schema)
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
