//! What evaluating a schema costs at most, found by arithmetic before anything is evaluated.

use super::keywords::{Holds, holds, remedy};
use super::stop::STEP;
use crate::violation::{pointer_part, quoted};
use regex_automata::nfa::thompson::{Compiler, Config};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// The most subschemas of a schema with its references written out: a few lines of references to references can stand
/// for billions.
const SUBSCHEMAS_MAX: u64 = 10_000;
/// The most subschemas inside each other, references written out: the evaluation recurses this deep.
const LEVELS_MAX: u32 = 64;
/// The most memory one compiled pattern takes, in bytes. `^[a-z0-9_-]{1,64}$` takes 5 KiB.
pub(super) const PATTERN_BYTES_MAX: usize = 32 * 1024;
/// The most memory that all patterns of a schema take together, in bytes.
const PATTERNS_BYTES_MAX: usize = 2 << 20;

// Nanoseconds, each rounded up from what was measured on a machine with 2 GHz.
/// One subschema or keyword and one part of the value.
const STEP_NS: u64 = 40;
/// One state of a pattern's automaton and one byte of text, when all states are active.
const STATE_NS: u64 = 8;
/// Two items that are compared because they have to be unique.
const PAIR_NS: u64 = 20;
/// Bytes of a constant that are compared in a nanosecond.
const CONSTANT_BYTES_PER_NS: u64 = 16;

/// What evaluating a schema costs at most, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// For each part of the value: each scalar, list, object and name of a field.
    per_part: u64,
    /// For each byte of the value's texts and names.
    per_byte: u64,
    /// For each two parts of the value.
    per_pair: u64,
}

/// How large a value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    parts: u64,
    text_bytes: u64,
}

/// A schema whose cost is known.
pub(super) struct Counted {
    pub(super) cost: Cost,
    /// The schema with our [`STEP`] in each subschema, and without what is never evaluated.
    pub(super) evaluated: Value,
}

impl Cost {
    /// The cost of evaluating a value, in nanoseconds.
    pub(super) fn of(self, value: &Value) -> u64 {
        let Size { parts, text_bytes } = Size::of(value);
        let by_part = self.per_part.saturating_mul(parts);
        let by_byte = self.per_byte.saturating_mul(text_bytes);
        let pair = parts.saturating_add(text_bytes / CONSTANT_BYTES_PER_NS);
        let by_pair = self.per_pair.saturating_mul(parts.saturating_mul(pair));
        by_part.saturating_add(by_byte).saturating_add(by_pair)
    }

    fn add(&mut self, other: Self) {
        self.per_part = self.per_part.saturating_add(other.per_part);
        self.per_byte = self.per_byte.saturating_add(other.per_byte);
        self.per_pair = self.per_pair.saturating_add(other.per_pair);
    }
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self {
            parts: 1,
            text_bytes: 0,
        };
        match value {
            Value::String(text) => size.text_bytes = text.len() as u64,
            Value::Array(items) => items.iter().for_each(|item| size.add(Self::of(item))),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                size.parts += 1;
                size.text_bytes += name.len() as u64;
                size.add(Self::of(value));
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        size
    }

    fn add(&mut self, other: Self) {
        self.parts += other.parts;
        self.text_bytes += other.text_bytes;
    }
}

/// Counts the cost of a schema, or says the reason against it. References must be local and lead to schemas, must not
/// lead back to themselves, and must not multiply. The text's own depth is the caller's to bound.
pub(super) fn count(schema: &Value) -> Result<Counted, String> {
    let mut walk = Walk::default();
    let evaluated = walk.schema(schema, "")?;
    let mut written = Written {
        own: &walk.own,
        known: HashMap::new(),
        open: HashSet::new(),
    };
    let cost = written.at("", 1)?.cost;
    Ok(Counted { cost, evaluated })
}

/// A subschema by itself.
#[derive(Default)]
struct Own {
    /// Of its keywords, without its subschemas.
    cost: Cost,
    /// Pointers of the subschemas that are evaluated with it. A reference may lead nowhere.
    inner: Vec<String>,
}

/// Walks over the schema as it is written.
#[derive(Default)]
struct Walk {
    /// Each subschema, by its pointer.
    own: HashMap<String, Own>,
    pattern_bytes: usize,
}

impl Walk {
    fn schema(&mut self, schema: &Value, at: &str) -> Result<Value, String> {
        let step = Cost {
            per_part: STEP_NS,
            ..Cost::default()
        };
        let mut own = Own {
            cost: step,
            inner: Vec::new(),
        };
        let Value::Object(keywords) = schema else {
            // Whatever else stands here, the library refuses it.
            self.own.insert(at.to_owned(), own);
            return Ok(schema.clone());
        };
        let mut evaluated = Map::new();
        for (keyword, value) in keywords {
            let Some(holds) = holds(keyword) else {
                return Err(refused(keyword, at));
            };
            own.cost.add(step);
            let at = format!("{at}/{}", pointer_part(keyword));
            if let Some(value) = self.keyword(holds, value, &at, &mut own)? {
                evaluated.insert(keyword.clone(), value);
            }
        }
        evaluated.insert(STEP.to_owned(), Value::Bool(true));
        self.own.insert(at.to_owned(), own);
        Ok(Value::Object(evaluated))
    }

    /// Counts one keyword, and gives what is evaluated of it.
    fn keyword(
        &mut self,
        holds: Holds,
        value: &Value,
        at: &str,
        own: &mut Own,
    ) -> Result<Option<Value>, String> {
        match (holds, value) {
            (Holds::Annotation, _) => return Ok(None),
            (Holds::Constant, _) => {
                let Size { parts, text_bytes } = Size::of(value);
                own.cost.per_part += parts * STEP_NS + text_bytes / CONSTANT_BYTES_PER_NS;
                own.cost.per_byte += 1;
            }
            (Holds::Length, _) => own.cost.per_byte += 1,
            (Holds::Unique, Value::Bool(true)) => own.cost.per_pair += PAIR_NS,
            (Holds::Pattern, Value::String(pattern)) => {
                own.cost.per_byte += self.pattern(pattern, at)?;
            }
            (Holds::Reference, Value::String(target)) => own.inner.push(pointer(target)?),
            (Holds::Schema, _) => return self.inner(value, at.to_owned(), own).map(Some),
            (Holds::Schemas, Value::Array(schemas)) => {
                let schemas = schemas.iter().enumerate();
                let inner = schemas.map(|(index, it)| self.inner(it, format!("{at}/{index}"), own));
                return Ok(Some(Value::Array(inner.collect::<Result<_, _>>()?)));
            }
            (
                Holds::NamedSchemas | Holds::PatternSchemas | Holds::Definitions,
                Value::Object(schemas),
            ) => return self.named(holds, schemas, at, own).map(Some),
            // A value of another type is refused by the library, which names the type.
            _ => {}
        }
        Ok(Some(value.clone()))
    }

    fn named(
        &mut self,
        holds: Holds,
        schemas: &Map<String, Value>,
        at: &str,
        own: &mut Own,
    ) -> Result<Value, String> {
        let mut evaluated = Map::new();
        for (name, schema) in schemas {
            let at = format!("{at}/{}", pointer_part(name));
            let schema = match holds {
                Holds::Definitions => self.schema(schema, &at)?,
                Holds::PatternSchemas => {
                    own.cost.per_byte += 2 * self.pattern(name, &at)?;
                    self.inner(schema, at, own)?
                }
                _ => {
                    own.cost.per_part += name.len() as u64 / CONSTANT_BYTES_PER_NS;
                    self.inner(schema, at, own)?
                }
            };
            evaluated.insert(name.clone(), schema);
        }
        Ok(Value::Object(evaluated))
    }

    fn inner(&mut self, schema: &Value, at: String, own: &mut Own) -> Result<Value, String> {
        let evaluated = self.schema(schema, &at)?;
        own.inner.push(at);
        Ok(evaluated)
    }

    /// Nanoseconds a pattern takes for each byte of text.
    fn pattern(&mut self, pattern: &str, at: &str) -> Result<u64, String> {
        let refuse = |reason: String| {
            let (pattern, at) = (quoted(pattern), quoted(at));
            Err(format!("the pattern `{pattern}` (at {at}) {reason}"))
        };
        let not_linear = "is not a regular expression that can be judged in linear time: write it without look-around and back-references";
        let Ok(rust) = jsonschema_regex::to_rust_regex(pattern) else {
            return refuse(not_linear.to_owned());
        };
        let config = Config::new().nfa_size_limit(Some(PATTERN_BYTES_MAX));
        let states = match Compiler::new().configure(config).build(&rust) {
            Ok(automaton) => {
                self.pattern_bytes += automaton.memory_usage();
                automaton.states().len() as u64
            }
            Err(error) if error.size_limit().is_some() => {
                return refuse(format!(
                    "takes more than {PATTERN_BYTES_MAX} bytes when it is compiled: repeat less, or bound the length with `maxLength`"
                ));
            }
            Err(_) => return refuse(not_linear.to_owned()),
        };
        if self.pattern_bytes > PATTERNS_BYTES_MAX {
            return refuse(format!(
                "makes the schema's patterns take more than {PATTERNS_BYTES_MAX} bytes together when they are compiled"
            ));
        }
        Ok(states * STATE_NS)
    }
}

fn refused(keyword: &str, at: &str) -> String {
    let (name, remedy) = (quoted(keyword), remedy(keyword));
    let place = match at.is_empty() {
        true => String::new(),
        false => format!(" (at {})", quoted(at)),
    };
    format!("`{name}`{place} is not a keyword that a tool's schema may use; {remedy}")
}

/// The pointer of a reference in the same document.
fn pointer(target: &str) -> Result<String, String> {
    if target.contains('%') {
        return Err("`$ref` must be written without percent-encoding".to_owned());
    }
    let pointer = target.strip_prefix('#');
    let pointer = pointer.filter(|it| it.is_empty() || it.starts_with('/'));
    pointer.map(str::to_owned).ok_or_else(|| {
        format!(
            "`$ref` to `{}`: only places in the same schema can be referred to",
            quoted(target)
        )
    })
}

/// A subschema with everything that is evaluated with it.
#[derive(Debug, Clone, Copy)]
struct Whole {
    cost: Cost,
    subschemas: u64,
    levels: u32,
}

/// Writes references out.
struct Written<'w> {
    own: &'w HashMap<String, Own>,
    known: HashMap<&'w str, Whole>,
    open: HashSet<&'w str>,
}

impl<'w> Written<'w> {
    fn at(&mut self, pointer: &str, level: u32) -> Result<Whole, String> {
        let Some((pointer, own)) = self.own.get_key_value(pointer) else {
            return Err(format!(
                "`$ref` to `#{}`: there is no schema in the same document",
                quoted(pointer)
            ));
        };
        if let Some(whole) = self.known.get(pointer.as_str()) {
            return Ok(*whole);
        }
        // Before anything recurses deeper.
        if level > LEVELS_MAX {
            return Err(too_deep());
        }
        if !self.open.insert(pointer) {
            return Err(format!(
                "`$ref` to `#{}` leads back to itself",
                quoted(pointer)
            ));
        }
        let mut whole = Whole {
            cost: own.cost,
            subschemas: 1,
            levels: 1,
        };
        for inner in &own.inner {
            let inner = self.at(inner, level + 1)?;
            whole.cost.add(inner.cost);
            whole.subschemas = whole.subschemas.saturating_add(inner.subschemas);
            whole.levels = whole.levels.max(inner.levels + 1);
        }
        self.open.remove(pointer.as_str());
        if whole.subschemas > SUBSCHEMAS_MAX {
            return Err(format!(
                "the schema has more than {SUBSCHEMAS_MAX} subschemas when its references are written out"
            ));
        }
        // A part that was counted before may be deep itself.
        if whole.levels > LEVELS_MAX {
            return Err(too_deep());
        }
        self.known.insert(pointer, whole);
        Ok(whole)
    }
}

fn too_deep() -> String {
    format!("the schema has more than {LEVELS_MAX} levels when its references are written out")
}
