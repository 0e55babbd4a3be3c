//! Parses the keywords of items and fields. Several keywords become one.

use super::fuel::STEP;
use super::node::Keyword;
use super::parse::Parser;
use super::whole::Whole;
use serde_json::{Map, Value};

impl<'j> Parser<'j> {
    /// `items` and `prefixItems` are one: whichever comes first takes both.
    pub(super) fn items(
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
    pub(super) fn fields(
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
}
