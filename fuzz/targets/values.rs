//! JSON to values of the component model and back, for types and values that are made of the same bytes: what is taken
//! is valid by the schema and comes back the same; what is refused says why, and the schema takes no more than it must.

#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Number, Value, json};
use tollgate_runtime::value::{
    Case, Integer, Label, Parameter, Shape, Type, decode_parameters, encode, is_equal,
    object_schema,
};

const DEPTH: usize = 4;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Unstructured::new(data);
    if let Ok(parameters) = fields(&mut bytes, DEPTH)
        && let Ok(input) = object(&mut bytes, &parameters)
    {
        convert(&parameters, &input);
    }
});

fn convert(parameters: &[Parameter], input: &Value) {
    let schema = object_schema(parameters);
    let schema = jsonschema::validator_for(&schema).expect("a usable schema");
    let values = match decode_parameters(parameters, input, 1 << 26) {
        Ok(values) => values,
        Err(violations) => {
            assert!(!violations.is_empty(), "refused for no reason: {input}");
            for violation in violations {
                assert_eq!(violation.code, "input_invalid");
                assert!(violation.place.pointer.is_some(), "{violation}");
            }
            return;
        }
    };
    assert!(
        schema.is_valid(input),
        "taken, and not by the schema: {input}"
    );
    let mut back = Map::new();
    for (parameter, value) in parameters.iter().zip(&values) {
        let json = encode(&parameter.ty, value, u64::MAX).expect("encodable");
        let bytes = json.to_string().len() as u64;
        assert_eq!(encode(&parameter.ty, value, bytes).as_ref(), Ok(&json));
        back.insert(parameter.name.clone(), json);
    }
    let back = Value::Object(back);
    assert!(schema.is_valid(&back), "{input} became {back}");
    let again = decode_parameters(parameters, &back, 1 << 26).expect("what is given is taken");
    for ((parameter, one), other) in parameters.iter().zip(&values).zip(&again) {
        let [one, other] = [one, other].map(|it| encode(&parameter.ty, it, u64::MAX));
        let (one, other) = (one.expect("encodable"), other.expect("encodable"));
        assert!(is_equal(&one, &other), "{one} became {other}");
    }
}

fn ty(bytes: &mut Unstructured, depth: usize) -> Result<Type> {
    use Integer::{S8, S16, S32, S64, U8, U16, U32, U64};
    let kinds = if depth == 0 { 8 } else { 14 };
    let boxed = |bytes: &mut Unstructured| ty(bytes, depth - 1).map(Box::new);
    let shape = match bytes.int_in_range(0..=kinds)? {
        0 => Shape::Bool,
        1 => Shape::Integer(*bytes.choose(&[S8, U8, S16, U16, S32, U32, S64, U64])?),
        2 => Shape::Float32,
        3 => Shape::Float64,
        4 => Shape::Char,
        5 => Shape::String,
        6 => Shape::Bytes,
        7 => Shape::Enum(labels(bytes)?),
        8 => Shape::Flags(labels(bytes)?),
        9 => Shape::List(boxed(bytes)?),
        10 => Shape::Tuple(several(bytes, |bytes, _| ty(bytes, depth - 1))?),
        11 => Shape::Record(fields(bytes, depth - 1)?),
        12 => Shape::Variant(several(bytes, |bytes, index| {
            Ok(Case {
                name: name(index),
                docs: None,
                payload: optional(bytes, |bytes| ty(bytes, depth - 1))?,
            })
        })?),
        13 => Shape::Option(boxed(bytes)?),
        _ => Shape::Result {
            ok: optional(bytes, boxed)?,
            err: optional(bytes, boxed)?,
        },
    };
    Ok(Type::plain(shape))
}

fn fields(bytes: &mut Unstructured, depth: usize) -> Result<Vec<Parameter>> {
    several(bytes, |bytes, index| {
        Ok(Parameter {
            name: name(index),
            ty: ty(bytes, depth)?,
        })
    })
}

fn labels(bytes: &mut Unstructured) -> Result<Vec<Label>> {
    several(bytes, |_, index| {
        Ok(Label {
            name: name(index),
            docs: None,
        })
    })
}

fn name(index: usize) -> String {
    // One that is like what variants are written as.
    ["tag", "val", "some", "a-b", "ok"][index].to_owned()
}

fn several<T>(
    bytes: &mut Unstructured,
    mut one: impl FnMut(&mut Unstructured, usize) -> Result<T>,
) -> Result<Vec<T>> {
    let count = bytes.int_in_range(1..=4)?;
    (0..count).map(|index| one(bytes, index)).collect()
}

fn optional<T>(
    bytes: &mut Unstructured,
    one: impl FnOnce(&mut Unstructured) -> Result<T>,
) -> Result<Option<T>> {
    bytes.arbitrary::<bool>()?.then(|| one(bytes)).transpose()
}

fn object(bytes: &mut Unstructured, fields: &[Parameter]) -> Result<Value> {
    let mut object = Map::new();
    for field in fields {
        if !bytes.ratio(1, 16)? {
            object.insert(field.name.clone(), value(bytes, &field.ty)?);
        }
    }
    if bytes.ratio(1, 32)? {
        object.insert(bytes.arbitrary()?, anything(bytes, 2)?);
    }
    Ok(Value::Object(object))
}

/// A value of the type, mostly.
fn value(bytes: &mut Unstructured, ty: &Type) -> Result<Value> {
    if bytes.ratio(1, 24)? {
        return anything(bytes, 2);
    }
    let label = |bytes: &mut Unstructured, labels: &[Label]| {
        Ok(json!(labels[bytes.choose_index(labels.len())?].name))
    };
    Ok(match &ty.shape {
        Shape::Bool => json!(bytes.arbitrary::<bool>()?),
        Shape::Integer(_) => match bytes.int_in_range(0..=3)? {
            0 => json!(bytes.arbitrary::<i64>()?),
            1 => json!(bytes.arbitrary::<u64>()?),
            2 => json!(bytes.arbitrary::<i64>()?.to_string()),
            _ => json!(bytes.arbitrary::<i8>()?),
        },
        Shape::Float32 | Shape::Float64 => float(bytes)?,
        Shape::Char => json!(bytes.arbitrary::<char>()?),
        Shape::String => json!(bytes.arbitrary::<String>()?),
        Shape::Bytes => json!(*bytes.choose(&["", "AA==", "AAA=", "AAAA", "AB==", "A", "////"])?),
        Shape::Enum(labels) => label(bytes, labels)?,
        Shape::Flags(labels) => {
            let count = bytes.int_in_range(0..=labels.len())?;
            let chosen = (0..count).map(|_| label(bytes, labels));
            Value::Array(chosen.collect::<Result<_>>()?)
        }
        Shape::List(element) => {
            let count = bytes.int_in_range(0..=3)?;
            let items = (0..count).map(|_| value(bytes, element));
            Value::Array(items.collect::<Result<_>>()?)
        }
        Shape::Tuple(parts) => {
            let items = parts.iter().map(|part| value(bytes, part));
            Value::Array(items.collect::<Result<_>>()?)
        }
        Shape::Record(fields) => object(bytes, fields)?,
        Shape::Variant(cases) => {
            let case = &cases[bytes.choose_index(cases.len())?];
            match &case.payload {
                Some(ty) => json!({"tag": case.name, "val": value(bytes, ty)?}),
                None => json!({"tag": case.name}),
            }
        }
        Shape::Option(inner) => match (bytes.arbitrary()?, &inner.shape) {
            (false, _) => Value::Null,
            (true, Shape::Option(_)) => json!({"some": value(bytes, inner)?}),
            (true, _) => value(bytes, inner)?,
        },
        Shape::Result { ok, err } => {
            let (side, ty) = *bytes.choose(&[("ok", ok), ("err", err)])?;
            let carried = ty.as_ref().map(|ty| value(bytes, ty)).transpose()?;
            json!({side: carried})
        }
    })
}

fn float(bytes: &mut Unstructured) -> Result<Value> {
    let text = ["NaN", "Infinity", "-Infinity"];
    Ok(match bytes.int_in_range(0..=3)? {
        0 => json!(*bytes.choose(&text)?),
        1 => json!(bytes.arbitrary::<i64>()?),
        2 => json!(bytes.arbitrary::<f32>()?),
        _ => Number::from_f64(bytes.arbitrary()?).map_or(Value::Null, Value::Number),
    })
}

fn anything(bytes: &mut Unstructured, depth: usize) -> Result<Value> {
    Ok(
        match bytes.int_in_range(0..=if depth == 0 { 4 } else { 6 })? {
            0 => Value::Null,
            1 => json!(bytes.arbitrary::<bool>()?),
            2 => json!(bytes.arbitrary::<i64>()?),
            3 => float(bytes)?,
            4 => json!(bytes.arbitrary::<String>()?),
            5 => Value::Array(vec![anything(bytes, depth - 1)?]),
            _ => {
                let key = *bytes.choose(&["tag", "val", "some", "ok", "err", "a-b"])?;
                json!({key: anything(bytes, depth - 1)?})
            }
        },
    )
}
