//! The keywords that a seller's schema may use. Every other keyword is refused: a schema is admitted only when the cost
//! of each of its keywords is known.

/// What stands under a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Text for readers. It is never evaluated.
    Annotation,
    /// A reference to a schema in the same document.
    Reference,
    /// Schemas that are evaluated only where a reference leads to them.
    Definitions,
    /// Names of types.
    Type,
    /// Values that are compared with the instance.
    Constant,
    /// A number that numbers are compared with.
    Number,
    /// How many there may be of something.
    Count,
    /// `true` or `false`.
    Flag,
    /// A regular expression.
    Pattern,
    /// Names of fields.
    Names,
    /// Names of fields, by the name of the field that requires them.
    DependentNames,
    /// Schemas, by the name of the field that requires them.
    DependentSchemas,
    /// Schemas of a list's items.
    Items,
    /// Schemas of an object's fields.
    Fields,
    /// A schema that some items fit.
    Contains,
    /// A schema of an object's names.
    NamesSchema,
    /// A schema that is not to fit.
    Not,
    /// A schema that chooses between two others.
    If,
    /// One of those two.
    Branch,
    /// A list of schemas.
    Schemas,
}

/// What the keyword holds; `None` for a keyword that is refused.
pub(super) fn holds(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "$schema" | "$comment" | "title" | "description" | "default" | "examples" | "example"
        | "deprecated" | "readOnly" | "writeOnly" | "format" | "contentEncoding"
        | "contentMediaType" | "contentSchema" => Holds::Annotation,
        "$ref" => Holds::Reference,
        "$defs" | "definitions" => Holds::Definitions,
        "type" => Holds::Type,
        "const" | "enum" => Holds::Constant,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            Holds::Number
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => Holds::Count,
        "uniqueItems" => Holds::Flag,
        "pattern" => Holds::Pattern,
        "required" => Holds::Names,
        "dependentRequired" => Holds::DependentNames,
        "dependentSchemas" => Holds::DependentSchemas,
        "items" | "prefixItems" => Holds::Items,
        "properties" | "patternProperties" | "additionalProperties" => Holds::Fields,
        "contains" => Holds::Contains,
        "propertyNames" => Holds::NamesSchema,
        "not" => Holds::Not,
        "if" => Holds::If,
        "then" | "else" => Holds::Branch,
        "allOf" | "anyOf" | "oneOf" => Holds::Schemas,
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
            "dependencies",
            "additionalItems",
            "$vocabulary",
            "nonsense",
        ] {
            assert_eq!(holds(keyword), None, "{keyword}");
            assert!(!remedy(keyword).is_empty());
        }
        assert_eq!(holds("x-order"), Some(Holds::Annotation));
        assert_eq!(holds("anyOf"), Some(Holds::Schemas));
    }
}
