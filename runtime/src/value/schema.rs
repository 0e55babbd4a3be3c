//! From types to JSON Schema (draft 2020-12).

use super::{Case, FLOAT32_MAX, Integer, Label, Parameter, Shape, Type};
use serde_json::{Map, Value, json};

/// Base64 with padding. (That the last group's spare bits are zero a pattern this size does not say.)
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

impl Type {
    /// JSON Schema of a value given to the tool.
    pub fn schema(&self) -> Value {
        let mut schema = self.shape.schema();
        if let (Some(docs), Some(object)) = (&self.docs, schema.as_object_mut()) {
            // What the type says of itself comes first, as a reader wants it.
            let mut described = Map::from_iter([("description".to_owned(), json!(docs))]);
            described.append(object);
            *object = described;
        }
        schema
    }

    /// JSON Schema of what a function answers: of a `result` at the top the `ok` side.
    pub fn output_schema(&self) -> Value {
        match &self.shape {
            Shape::Result { ok: Some(ok), .. } => ok.schema(),
            Shape::Result { ok: None, .. } => null(),
            _ => self.schema(),
        }
    }
}

/// JSON Schema of an object of fields, of which options may be left out.
pub fn object_schema(fields: &[Parameter]) -> Value {
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| (field.name.clone(), field.ty.schema()))
        .collect();
    let required: Vec<_> = fields
        .iter()
        .filter(|field| !field.ty.is_nullable())
        .map(|field| &field.name)
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

impl Shape {
    fn schema(&self) -> Value {
        match self {
            Shape::Bool => json!({"type": "boolean"}),
            Shape::Integer(integer) => integer.schema(),
            Shape::Float32 => {
                let number =
                    json!({"type": "number", "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX});
                json!({"anyOf": [number, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
            }
            Shape::Float64 => {
                json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
            }
            Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            Shape::String => json!({"type": "string"}),
            Shape::Bytes => {
                json!({"type": "string", "contentEncoding": "base64", "pattern": BASE64})
            }
            Shape::List(element) => json!({"type": "array", "items": element.schema()}),
            Shape::Tuple(parts) => {
                let schemas: Vec<_> = parts.iter().map(Type::schema).collect();
                let length = parts.len();
                json!({"type": "array", "prefixItems": schemas, "items": false, "minItems": length, "maxItems": length})
            }
            Shape::Record(fields) => object_schema(fields),
            Shape::Variant(cases) => {
                json!({"oneOf": cases.iter().map(Case::schema).collect::<Vec<_>>()})
            }
            Shape::Enum(labels) => labels_schema(labels),
            Shape::Flags(labels) => {
                json!({"type": "array", "uniqueItems": true, "items": labels_schema(labels)})
            }
            Shape::Option(inner) if inner.is_nullable() => {
                let some = json!({
                    "type": "object",
                    "properties": {"some": inner.schema()},
                    "required": ["some"],
                    "additionalProperties": false
                });
                json!({"anyOf": [{"type": "null"}, some]})
            }
            Shape::Option(inner) => json!({"anyOf": [{"type": "null"}, inner.schema()]}),
            Shape::Result { ok, err } => {
                json!({"oneOf": [side_schema("ok", ok.as_deref()), side_schema("err", err.as_deref())]})
            }
        }
    }
}

impl Integer {
    fn schema(self) -> Value {
        let (minimum, maximum) = self.range();
        let as_json = |bound: i128| {
            i64::try_from(bound).map_or_else(|_| json!(bound as u64), |bound| json!(bound))
        };
        let number =
            json!({"type": "integer", "minimum": as_json(minimum), "maximum": as_json(maximum)});
        if self.is_wide() {
            let digits = if minimum < 0 {
                "^-?[0-9]{1,38}$"
            } else {
                "^[0-9]{1,38}$"
            };
            json!({"anyOf": [number, {"type": "string", "pattern": digits}]})
        } else {
            number
        }
    }
}

impl Case {
    fn schema(&self) -> Value {
        let mut properties = Map::from_iter([("tag".to_owned(), json!({"const": self.name}))]);
        let mut required = vec!["tag"];
        match &self.payload {
            Some(payload) => {
                properties.insert("val".to_owned(), payload.schema());
                if !payload.is_nullable() {
                    required.push("val");
                }
            }
            None => drop(properties.insert("val".to_owned(), null())),
        }
        let mut schema = json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        if let Some(docs) = &self.docs {
            schema["description"] = json!(docs);
        }
        schema
    }
}

/// One of some strings; where a label is documented each is its own constant.
fn labels_schema(labels: &[Label]) -> Value {
    if labels.iter().all(|label| label.docs.is_none()) {
        return json!({"enum": labels.iter().map(|label| &label.name).collect::<Vec<_>>()});
    }
    let constants = labels.iter().map(|label| match &label.docs {
        Some(docs) => json!({"const": label.name, "description": docs}),
        None => json!({"const": label.name}),
    });
    json!({"oneOf": constants.collect::<Vec<_>>()})
}

fn side_schema(name: &str, payload: Option<&Type>) -> Value {
    let payload = payload.map_or_else(null, Type::schema);
    json!({"type": "object", "properties": {name: payload}, "required": [name], "additionalProperties": false})
}

fn null() -> Value {
    json!({"type": "null"})
}
