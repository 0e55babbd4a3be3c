//! The keywords that a seller's schema may use. Every other keyword is refused: a schema is admitted only when the cost
//! of each of its keywords is known.

/// What stands under a keyword, and so how its cost is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text for readers. It is never evaluated.
    Annotation,
    /// Values that are compared with the instance.
    Constant,
    /// A bound that is compared in constant time.
    Bound,
    /// A bound on a string's length: every character is counted.
    Length,
    /// A flag. If it is true, every item is compared with every other one.
    Unique,
    /// A regular expression.
    Pattern,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    NamedSchemas,
    /// Schemas by regular expression. Each name is searched twice: for these schemas, and for `additionalProperties`.
    PatternSchemas,
    /// Schemas that are evaluated only where a reference leads to them.
    Definitions,
    /// A reference to a schema in the same document.
    Reference,
}

/// What the keyword holds; `None` for a keyword that is refused.
pub(super) fn holds(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "$schema" | "$comment" | "title" | "description" | "default" | "examples"
        | "deprecated" | "readOnly" | "writeOnly" | "format" | "contentEncoding"
        | "contentMediaType" => Holds::Annotation,
        "type" | "const" | "enum" | "required" | "dependentRequired" => Holds::Constant,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
        | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
        | "maxContains" => Holds::Bound,
        "minLength" | "maxLength" => Holds::Length,
        "uniqueItems" => Holds::Unique,
        "pattern" => Holds::Pattern,
        "items"
        | "additionalProperties"
        | "propertyNames"
        | "contains"
        | "not"
        | "if"
        | "then"
        | "else" => Holds::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Holds::Schemas,
        "properties" | "dependentSchemas" => Holds::NamedSchemas,
        "patternProperties" => Holds::PatternSchemas,
        "$defs" | "definitions" => Holds::Definitions,
        "$ref" => Holds::Reference,
        extension if extension.starts_with("x-") => Holds::Annotation,
        _ => return None,
    })
}

/// What a seller can write instead of a refused keyword.
pub(super) fn remedy(keyword: &str) -> &'static str {
    match keyword {
        "unevaluatedProperties" => "write `additionalProperties` in each alternative",
        "unevaluatedItems" => "write `prefixItems` and `items` in each alternative",
        "$dynamicRef" | "$recursiveRef" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor"
        | "$id" | "id" => "refer with `$ref` to `#/$defs/…`",
        "additionalItems" => "write `prefixItems` for the first items and `items` for the others",
        "dependencies" => "write `dependentRequired` or `dependentSchemas`",
        "$vocabulary" => "leave it out: every schema is judged by draft 2020-12",
        _ => "leave it out, or let its name begin with `x-` if only readers need it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_of_unknown_cost_are_refused() {
        for keyword in [
            "unevaluatedProperties",
            "unevaluatedItems",
            "$dynamicRef",
            "$recursiveRef",
            "$anchor",
            "$id",
            "contentSchema",
            "dependencies",
            "additionalItems",
            "$vocabulary",
            "nonsense",
            super::super::stop::STEP,
        ] {
            assert_eq!(holds(keyword), None, "{keyword}");
            assert!(!remedy(keyword).is_empty());
        }
        assert_eq!(holds("x-order"), Some(Holds::Annotation));
        assert_eq!(holds("anyOf"), Some(Holds::Schemas));
    }
}
