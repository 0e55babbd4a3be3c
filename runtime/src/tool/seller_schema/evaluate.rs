//! Evaluates a value, at a cost that is taken before each step.

use super::equal::{compared, is_equal, is_multiple, whole};
use super::fuel::{Fuel, OutOfFuel};
use super::node::{Id, Keyword, Schema, Type};
use super::wording::{At, cut, shown, shown_text};
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// What is wrong with a value: the pointer of the place, and a sentence without its subject.
pub(crate) type Found = (String, String);

/// One evaluation.
pub(super) struct Evaluation<'s> {
    schemas: &'s [Schema],
    pub(super) fuel: Fuel,
    found: Vec<Found>,
    found_max: usize,
}

impl<'s> Evaluation<'s> {
    /// With fuel for so many nanoseconds.
    pub(super) fn new(schemas: &'s [Schema], nanos: u64) -> Self {
        Self {
            schemas,
            fuel: Fuel::new(nanos),
            found: Vec::new(),
            found_max: 0,
        }
    }

    pub(super) fn is_valid(&mut self, root: Id, value: &Value) -> Result<bool, OutOfFuel> {
        self.schema(root, value, None)
    }

    /// What is wrong with a value that is not valid, up to so many things.
    pub(super) fn explain(
        mut self,
        root: Id,
        value: &Value,
        found_max: usize,
    ) -> Result<Vec<Found>, OutOfFuel> {
        self.found_max = found_max;
        self.schema(root, value, Some(&At::Root))?;
        Ok(self.found)
    }

    /// Without a place the first thing that is wrong ends it; with one all of them are told.
    pub(super) fn schema(
        &mut self,
        id: Id,
        value: &Value,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        self.fuel.step()?;
        let keywords = match &self.schemas[id.0 as usize] {
            Schema::Always => return Ok(true),
            Schema::Never => return self.wrong(at, || "is not allowed".to_owned()),
            Schema::Keywords(keywords) => keywords,
        };
        let mut is_valid = true;
        for keyword in keywords {
            self.fuel.step()?;
            is_valid &= self.keyword(keyword, value, at)?;
            if !is_valid && self.is_over(at) {
                break;
            }
        }
        Ok(is_valid)
    }

    pub(super) fn is_over(&self, at: Option<&At<'_>>) -> bool {
        at.is_none() || self.found.len() >= self.found_max
    }

    /// Tells what is wrong, where somebody is told.
    pub(super) fn wrong(
        &mut self,
        at: Option<&At<'_>>,
        message: impl FnOnce() -> String,
    ) -> Result<bool, OutOfFuel> {
        if let Some(at) = at
            && self.found.len() < self.found_max
        {
            let mut pointer = String::new();
            at.write(&mut pointer, &mut self.fuel)?;
            self.found.push((pointer, message()));
        }
        Ok(false)
    }

    pub(super) fn holds(
        &mut self,
        holds: bool,
        at: Option<&At<'_>>,
        message: impl FnOnce() -> String,
    ) -> Result<bool, OutOfFuel> {
        match holds {
            true => Ok(true),
            false => self.wrong(at, message),
        }
    }

    fn keyword(
        &mut self,
        keyword: &'s Keyword,
        value: &Value,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        match keyword {
            Keyword::Reference(id) => self.schema(*id, value, at),
            Keyword::Type(types) => self.types(types, value, at),
            Keyword::Const(constant) => {
                let equal = is_equal(constant, value, &mut self.fuel)?;
                self.holds(equal, at, || {
                    format!("{} is not {}", shown(value), shown(constant))
                })
            }
            Keyword::Enum(constants) => self.any_constant(constants, value, at),
            Keyword::AllOf(ids) => {
                let mut is_valid = true;
                for id in ids {
                    is_valid &= self.schema(*id, value, at)?;
                    if !is_valid && self.is_over(at) {
                        break;
                    }
                }
                Ok(is_valid)
            }
            Keyword::AnyOf(ids) => {
                for id in ids {
                    if self.schema(*id, value, None)? {
                        return Ok(true);
                    }
                }
                self.wrong(at, || {
                    format!("{} fits none of the alternatives of `anyOf`", shown(value))
                })
            }
            Keyword::OneOf(ids) => {
                let mut fitting = 0;
                for id in ids {
                    fitting += u32::from(self.schema(*id, value, None)?);
                    if fitting > 1 {
                        break;
                    }
                }
                self.holds(fitting == 1, at, || {
                    let how_many = if fitting == 0 {
                        "none"
                    } else {
                        "more than one"
                    };
                    format!(
                        "{} fits {how_many} of the alternatives of `oneOf`",
                        shown(value)
                    )
                })
            }
            Keyword::Not(id) => {
                let fits = self.schema(*id, value, None)?;
                self.holds(!fits, at, || {
                    format!("{} is what `not` excludes", shown(value))
                })
            }
            Keyword::If {
                condition,
                then,
                otherwise,
            } => {
                let branch = match self.schema(*condition, value, None)? {
                    true => then,
                    false => otherwise,
                };
                branch.map_or(Ok(true), |id| self.schema(id, value, at))
            }
            Keyword::DependentSchemas(dependents) => {
                let mut is_valid = true;
                for (name, id) in dependents {
                    self.fuel.hash(name.len())?;
                    if value.get(&**name).is_some() {
                        is_valid &= self.schema(*id, value, at)?;
                    }
                    if !is_valid && self.is_over(at) {
                        break;
                    }
                }
                Ok(is_valid)
            }
            of_type => match value {
                Value::Number(number) => self.number(of_type, number, at),
                Value::String(text) => self.text(of_type, text, at),
                Value::Array(items) => self.items(of_type, items, at),
                Value::Object(fields) => self.fields(of_type, fields, at),
                Value::Null | Value::Bool(_) => Ok(true),
            },
        }
    }

    fn types(
        &mut self,
        types: &[Type],
        value: &Value,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        let fits = types.iter().any(|it| is_of_type(value, *it));
        self.holds(fits, at, || {
            let names: Vec<_> = types
                .iter()
                .map(|it| format!("\"{}\"", it.name()))
                .collect();
            let word = if names.len() == 1 { "type" } else { "types" };
            format!("{} is not of {word} {}", shown(value), names.join(", "))
        })
    }

    fn any_constant(
        &mut self,
        constants: &[Value],
        value: &Value,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        for constant in constants {
            if is_equal(constant, value, &mut self.fuel)? {
                return Ok(true);
            }
        }
        self.wrong(at, || {
            let named: Vec<_> = constants.iter().take(10).map(shown).collect();
            let more = if constants.len() > named.len() {
                ", …"
            } else {
                ""
            };
            format!("{} is not one of {}{more}", shown(value), named.join(", "))
        })
    }

    fn number(
        &mut self,
        keyword: &Keyword,
        number: &Number,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        use Ordering::{Equal, Greater, Less};
        let bound = |bound: &Number, fitting: [Ordering; 2]| {
            compared(number, bound).is_some_and(|it| fitting.contains(&it))
        };
        let (holds, limit, what) = match keyword {
            Keyword::Minimum(min) => (bound(min, [Greater, Equal]), min, "less than"),
            Keyword::Maximum(max) => (bound(max, [Less, Equal]), max, "greater than"),
            Keyword::ExclusiveMinimum(min) => (bound(min, [Greater; 2]), min, "not greater than"),
            Keyword::ExclusiveMaximum(max) => (bound(max, [Less; 2]), max, "not less than"),
            Keyword::MultipleOf(of) => {
                let is_multiple = is_multiple(number, of, &mut self.fuel)?;
                (is_multiple, of, "not a multiple of")
            }
            _ => return Ok(true),
        };
        self.holds(holds, at, || format!("{number} is {what} {limit}"))
    }

    fn text(
        &mut self,
        keyword: &Keyword,
        text: &str,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        match keyword {
            Keyword::MinLength(min) => {
                let fits = self.characters(text)? >= *min;
                self.holds(fits, at, || {
                    format!("{} is shorter than {min} characters", shown_text(text))
                })
            }
            Keyword::MaxLength(max) => {
                let fits = self.characters(text)? <= *max;
                self.holds(fits, at, || {
                    format!("{} is longer than {max} characters", shown_text(text))
                })
            }
            Keyword::Pattern(pattern) => {
                let fits = pattern.is_match(text, &mut self.fuel)?;
                self.holds(fits, at, || {
                    let wanted = cut(pattern.text());
                    format!("{} does not match the pattern `{wanted}`", shown_text(text))
                })
            }
            _ => Ok(true),
        }
    }

    fn characters(&mut self, text: &str) -> Result<u64, OutOfFuel> {
        self.fuel.compare(text.len())?;
        Ok(text.chars().count() as u64)
    }
}

fn is_of_type(value: &Value, ty: Type) -> bool {
    match (ty, value) {
        (Type::Null, Value::Null)
        | (Type::Boolean, Value::Bool(_))
        | (Type::Number, Value::Number(_))
        | (Type::String, Value::String(_))
        | (Type::Array, Value::Array(_))
        | (Type::Object, Value::Object(_)) => true,
        (Type::Integer, Value::Number(number)) => {
            let is_large = |it: f64| it.fract() == 0.0 && it.is_finite();
            whole(number).is_some() || number.as_f64().is_some_and(is_large)
        }
        _ => false,
    }
}
