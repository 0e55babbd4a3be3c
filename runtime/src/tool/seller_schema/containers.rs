//! Evaluates lists and objects.

use super::equal::are_unique;
use super::evaluate::Evaluation;
use super::fuel::OutOfFuel;
use super::node::Keyword;
use super::wording::{At, range, shown_text};
use serde_json::{Map, Value};

impl<'s> Evaluation<'s> {
    pub(super) fn items(
        &mut self,
        keyword: &Keyword,
        items: &[Value],
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        let length = items.len() as u64;
        match keyword {
            Keyword::MinItems(min) => self.holds(length >= *min, at, || {
                format!("has {length} items; at least {min} are required")
            }),
            Keyword::MaxItems(max) => self.holds(length <= *max, at, || {
                format!("has {length} items; at most {max} are allowed")
            }),
            Keyword::UniqueItems => {
                let unique = are_unique(items, &mut self.fuel)?;
                self.holds(unique, at, || "has two equal items".to_owned())
            }
            Keyword::Items { prefix, rest } => {
                let mut is_valid = true;
                for (index, item) in items.iter().enumerate() {
                    let Some(id) = prefix.get(index).copied().or(*rest) else {
                        break;
                    };
                    let place = at.map(|at| At::Item(at, index));
                    is_valid &= self.schema(id, item, place.as_ref())?;
                    if !is_valid && self.is_over(at) {
                        break;
                    }
                }
                Ok(is_valid)
            }
            Keyword::Contains { schema, min, max } => {
                let mut fitting = 0;
                for item in items {
                    fitting += u64::from(self.schema(*schema, item, None)?);
                    if max.is_none() && fitting >= *min {
                        return Ok(true);
                    }
                }
                let holds = fitting >= *min && max.is_none_or(|max| fitting <= max);
                self.holds(holds, at, || {
                    format!(
                        "has {fitting} items that fit `contains`; it wants {}",
                        range(*min, *max)
                    )
                })
            }
            _ => Ok(true),
        }
    }

    pub(super) fn fields(
        &mut self,
        keyword: &Keyword,
        fields: &Map<String, Value>,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        let length = fields.len() as u64;
        match keyword {
            Keyword::MinProperties(min) => self.holds(length >= *min, at, || {
                format!("has {length} fields; at least {min} are required")
            }),
            Keyword::MaxProperties(max) => self.holds(length <= *max, at, || {
                format!("has {length} fields; at most {max} are allowed")
            }),
            Keyword::Required(names) => self.required(names, fields, at),
            Keyword::DependentRequired(dependents) => {
                let mut is_valid = true;
                for (name, names) in dependents {
                    self.fuel.hash(name.len())?;
                    if fields.contains_key(&**name) {
                        is_valid &= self.required(names, fields, at)?;
                    }
                    if !is_valid && self.is_over(at) {
                        break;
                    }
                }
                Ok(is_valid)
            }
            Keyword::PropertyNames(id) => {
                let mut is_valid = true;
                for name in fields.keys() {
                    self.fuel.hash(name.len())?;
                    let text = Value::String(name.clone());
                    let place = at.map(|at| At::Field(at, name));
                    is_valid &= self.schema(*id, &text, place.as_ref())?;
                    if !is_valid && self.is_over(at) {
                        break;
                    }
                }
                Ok(is_valid)
            }
            Keyword::Fields { .. } => self.each_field(keyword, fields, at),
            _ => Ok(true),
        }
    }

    fn required(
        &mut self,
        names: &[Box<str>],
        fields: &Map<String, Value>,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        let mut is_valid = true;
        for name in names {
            self.fuel.hash(name.len())?;
            let is_there = fields.contains_key(&**name);
            is_valid &= self.holds(is_there, at, || {
                format!("lacks the required field {}", shown_text(name))
            })?;
            if !is_valid && self.is_over(at) {
                break;
            }
        }
        Ok(is_valid)
    }

    fn each_field(
        &mut self,
        keyword: &Keyword,
        fields: &Map<String, Value>,
        at: Option<&At<'_>>,
    ) -> Result<bool, OutOfFuel> {
        let Keyword::Fields {
            named,
            patterns,
            others,
        } = keyword
        else {
            return Ok(true);
        };
        let mut is_valid = true;
        for (name, value) in fields {
            self.fuel.hash(name.len())?;
            let place = at.map(|at| At::Field(at, name));
            let place = place.as_ref();
            let mut is_other = true;
            if let Some(id) = named.get(&**name) {
                is_other = false;
                is_valid &= self.schema(*id, value, place)?;
            }
            for (pattern, id) in patterns {
                if pattern.is_match(name, &mut self.fuel)? {
                    is_other = false;
                    is_valid &= self.schema(*id, value, place)?;
                }
            }
            if let (true, Some(id)) = (is_other, others) {
                is_valid &= self.schema(*id, value, place)?;
            }
            if !is_valid && self.is_over(at) {
                break;
            }
        }
        Ok(is_valid)
    }
}
