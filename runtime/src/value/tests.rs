//! Schema and conversion agree, for types and values nobody thought of.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use wasmtime::component::Val;

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}"
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_set(name(), 1..5).prop_map(|names| names.into_iter().collect())
}

fn labels() -> impl Strategy<Value = Vec<Label>> {
    let label = |name| Label { name, docs: None };
    names().prop_map(move |names| names.into_iter().map(label).collect())
}

fn scalar() -> impl Strategy<Value = Shape> {
    use Integer::{S8, S16, S32, S64, U8, U16, U32, U64};
    prop_oneof![
        Just(Shape::Bool),
        proptest::sample::select(vec![S8, U8, S16, U16, S32, U32, S64, U64])
            .prop_map(Shape::Integer),
        Just(Shape::Float32),
        Just(Shape::Float64),
        Just(Shape::Char),
        Just(Shape::String),
        Just(Shape::Bytes),
        labels().prop_map(Shape::Enum),
        labels().prop_map(Shape::Flags),
    ]
}

fn ty() -> impl Strategy<Value = Type> {
    let leaf = scalar().prop_map(Type::plain);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let optional = proptest::option::of(inner.clone());
        let fields = proptest::collection::btree_map(name(), inner.clone(), 1..4);
        let cases = proptest::collection::btree_map(name(), optional.clone(), 1..4);
        let field = |(name, ty)| Parameter { name, ty };
        let case = |(name, payload)| Case {
            name,
            docs: None,
            payload,
        };
        prop_oneof![
            inner.clone().prop_map(|ty| Shape::List(Box::new(ty))),
            vec(inner.clone(), 1..4).prop_map(Shape::Tuple),
            fields.prop_map(move |fields| Shape::Record(fields.into_iter().map(field).collect())),
            cases.prop_map(move |cases: BTreeMap<_, _>| Shape::Variant(
                cases.into_iter().map(case).collect()
            )),
            inner.prop_map(|ty| Shape::Option(Box::new(ty))),
            (optional.clone(), optional).prop_map(|(ok, err)| Shape::Result {
                ok: ok.map(Box::new),
                err: err.map(Box::new)
            }),
        ]
        .prop_map(Type::plain)
    })
}

/// JSON that is a value of the type.
fn value(ty: &Type) -> BoxedStrategy<Value> {
    match &ty.shape {
        Shape::Bool => any::<bool>().prop_map(|it| json!(it)).boxed(),
        Shape::Integer(integer) => whole(*integer),
        Shape::Float32 => prop_oneof![
            any::<f32>()
                .prop_filter("finite", |it| it.is_finite())
                .prop_map(|it| json!(f64::from(it))),
            not_finite()
        ]
        .boxed(),
        Shape::Float64 => prop_oneof![
            any::<f64>()
                .prop_filter("finite", |it| it.is_finite())
                .prop_map(|it| json!(it)),
            not_finite()
        ]
        .boxed(),
        Shape::Char => any::<char>().prop_map(|it| json!(it)).boxed(),
        Shape::String => any::<String>().prop_map(Value::String).boxed(),
        Shape::Bytes => {
            use base64::Engine as _;
            let encode =
                |bytes: Vec<u8>| json!(base64::engine::general_purpose::STANDARD.encode(bytes));
            vec(any::<u8>(), 0..20).prop_map(encode).boxed()
        }
        Shape::List(element) => vec(value(element), 0..4).prop_map(Value::Array).boxed(),
        Shape::Tuple(parts) => parts
            .iter()
            .map(value)
            .collect::<Vec<_>>()
            .prop_map(Value::Array)
            .boxed(),
        Shape::Record(fields) => record(fields),
        Shape::Variant(cases) => {
            let cases: Vec<_> = cases.iter().map(case).collect();
            proptest::strategy::Union::new(cases).boxed()
        }
        Shape::Enum(labels) => {
            let names: Vec<_> = labels.iter().map(|label| label.name.clone()).collect();
            proptest::sample::select(names)
                .prop_map(Value::String)
                .boxed()
        }
        Shape::Flags(labels) => {
            let names: Vec<_> = labels.iter().map(|label| label.name.clone()).collect();
            let length = names.len();
            proptest::sample::subsequence(names, 0..=length)
                .prop_map(|names| json!(names))
                .boxed()
        }
        Shape::Option(inner) => {
            let is_nullable = inner.is_nullable();
            let some =
                value(inner).prop_map(move |it| if is_nullable { json!({"some": it}) } else { it });
            prop_oneof![Just(Value::Null), some].boxed()
        }
        Shape::Result { ok, err } => {
            prop_oneof![side("ok", ok.as_deref()), side("err", err.as_deref())].boxed()
        }
    }
}

fn whole(integer: Integer) -> BoxedStrategy<Value> {
    let (minimum, maximum) = integer.range();
    let number = prop_oneof![Just(minimum), Just(maximum), minimum..=maximum];
    let as_json = |it: i128| i64::try_from(it).map_or_else(|_| json!(it as u64), |it| json!(it));
    if integer.is_wide() {
        prop_oneof![
            number.clone().prop_map(as_json),
            number.prop_map(|it| json!(it.to_string()))
        ]
        .boxed()
    } else {
        number.prop_map(as_json).boxed()
    }
}

fn not_finite() -> impl Strategy<Value = Value> {
    proptest::sample::select(vec![json!("NaN"), json!("Infinity"), json!("-Infinity")])
}

fn record(fields: &[Parameter]) -> BoxedStrategy<Value> {
    let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
    let values: Vec<_> = fields.iter().map(|field| value(&field.ty)).collect();
    let join = move |values: Vec<Value>| {
        Value::Object(names.iter().cloned().zip(values).collect::<Map<_, _>>())
    };
    values.prop_map(join).boxed()
}

fn case(case: &Case) -> BoxedStrategy<Value> {
    let tag = case.name.clone();
    match &case.payload {
        None => Just(json!({"tag": tag})).boxed(),
        Some(ty) => value(ty)
            .prop_map(move |it| json!({"tag": tag, "val": it}))
            .boxed(),
    }
}

fn side(name: &'static str, ty: Option<&Type>) -> BoxedStrategy<Value> {
    let payload = ty.map_or_else(|| Just(Value::Null).boxed(), value);
    payload.prop_map(move |it| json!({name: it})).boxed()
}

/// JSON of any kind, near enough to types to be taken for one.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|it| json!(it)),
        any::<i64>().prop_map(|it| json!(it)),
        (-3..300_i64).prop_map(|it| json!(it)),
        any::<f64>().prop_map(|it| json!(it)),
        "[a-zA-Z0-9=+-]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            name(),
            Just("tag".to_owned()),
            Just("val".to_owned()),
            Just("ok".to_owned())
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(key, inner, 0..3).prop_map(|it| json!(it)),
        ]
    })
}

fn decode(ty: &Type, json: &Value) -> Option<Val> {
    let parameter = Parameter {
        name: "value".to_owned(),
        ty: ty.clone(),
    };
    decode_parameters(&[parameter], &json!({"value": json}), 1 << 20)
        .ok()?
        .pop()
}

/// Long types are looked up by an index, short ones one by one.
#[test]
fn every_name_of_a_type_is_found_whatever_their_number() {
    for count in [1, 16, 17, 3000] {
        let name = |it: usize| format!("name-{it}");
        let label = |it| Label {
            name: name(it),
            docs: None,
        };
        let case = |it| Case {
            name: name(it),
            docs: None,
            payload: None,
        };
        let field = |it| Parameter {
            name: name(it),
            ty: Type::plain(Shape::Bool),
        };
        let [an_enum, variant, record] = [
            Shape::Enum((0..count).map(label).collect()),
            Shape::Variant((0..count).map(case).collect()),
            Shape::Record((0..count).map(field).collect()),
        ]
        .map(Type::plain);
        let list = |ty: &Type| Type::plain(Shape::List(Box::new(ty.clone())));
        let names: Vec<_> = (0..count).map(name).collect();
        let tags: Vec<_> = names.iter().map(|name| json!({"tag": name})).collect();
        let fields: Map<_, _> = names
            .iter()
            .map(|name| (name.clone(), json!(true)))
            .collect();
        for (ty, json) in [
            (list(&an_enum), json!(names)),
            (list(&variant), json!(tags)),
            (record.clone(), json!(fields)),
        ] {
            let value = decode(&ty, &json).expect("every name is known");
            assert_eq!(encode(&ty, &value, 1 << 20), Ok(json), "{count}");
        }
        let unknown = name(count);
        assert_eq!(decode(&an_enum, &json!(unknown)), None);
        assert_eq!(decode(&variant, &json!({"tag": unknown})), None);
        let mut more = fields;
        more.insert(unknown, json!(true));
        assert_eq!(decode(&record, &json!(more)), None);
    }
}

#[test]
fn a_type_weighs_what_its_names_take() {
    let label = |it: usize| Label {
        name: format!("{it:0>1000}"),
        docs: Some("x".repeat(500)),
    };
    let labels = Type::plain(Shape::Enum((0..100).map(label).collect()));
    let list = Type::plain(Shape::List(Box::new(labels)));
    let weight = list.memory_bytes();
    assert!((150_000..170_000).contains(&weight), "{weight}");
}

/// Whether conversion looks closer somewhere in the type than a schema can.
fn has_finer(ty: &Type) -> bool {
    match &ty.shape {
        Shape::Bytes => true,
        Shape::Integer(integer) => integer.is_wide(),
        Shape::List(inner) | Shape::Option(inner) => has_finer(inner),
        Shape::Tuple(parts) => parts.iter().any(has_finer),
        Shape::Record(fields) => fields.iter().any(|field| has_finer(&field.ty)),
        Shape::Variant(cases) => cases
            .iter()
            .filter_map(|case| case.payload.as_ref())
            .any(has_finer),
        Shape::Result { ok, err } => [ok, err].into_iter().flatten().any(|ty| has_finer(ty)),
        _ => false,
    }
}

fn typed_value() -> impl Strategy<Value = (Type, Value)> {
    ty().prop_flat_map(|ty| {
        let value = value(&ty);
        (Just(ty), value)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_value_of_a_type_is_valid_by_its_schema_and_comes_back_the_same((ty, json) in typed_value()) {
        let schema = jsonschema::validator_for(&ty.schema()).expect("a usable schema");
        prop_assert!(schema.is_valid(&json), "{json} against {}", ty.schema());
        let decoded = decode(&ty, &json).expect("a value of the type");
        let encoded = encode(&ty, &decoded, u64::MAX).expect("encodable");
        prop_assert!(schema.is_valid(&encoded), "{encoded} against {}", ty.schema());
        prop_assert_eq!(decode(&ty, &encoded), Some(decoded), "{} became {}", json, encoded);
    }

    #[test]
    fn schema_and_conversion_take_and_refuse_the_same(ty in ty(), json in anything()) {
        let schema = jsonschema::validator_for(&ty.schema()).expect("a usable schema");
        let is_taken = decode(&ty, &json).is_some();
        let is_valid = schema.is_valid(&json);
        // A pattern cannot say how large a decimal string may be, nor all of base64.
        let is_finer_than_schema = !is_taken && is_valid && has_finer(&ty);
        prop_assert!(is_taken == is_valid || is_finer_than_schema, "{json} taken: {is_taken}, valid: {is_valid}, {}", ty.schema());
    }

    #[test]
    fn the_output_limit_holds_and_what_fits_is_never_refused((ty, json) in typed_value()) {
        let decoded = decode(&ty, &json).expect("a value of the type");
        let encoded = encode(&ty, &decoded, u64::MAX).expect("encodable");
        let bytes = encoded.to_string().len() as u64;
        prop_assert_eq!(encode(&ty, &decoded, bytes), Ok(encoded), "exactly its length");
    }
}

#[test]
fn every_violation_of_an_input_is_named_with_its_place() {
    let fields = vec![
        Parameter {
            name: "count".to_owned(),
            ty: Type::plain(Shape::Integer(Integer::U8)),
        },
        Parameter {
            name: "names".to_owned(),
            ty: Type::plain(Shape::List(Box::new(Type::plain(Shape::String)))),
        },
        Parameter {
            name: "note".to_owned(),
            ty: Type::plain(Shape::Option(Box::new(Type::plain(Shape::String)))),
        },
    ];
    let violations = decode_parameters(
        &fields,
        &json!({"count": 256, "names": ["a", 1], "a/b": 0}),
        1 << 20,
    )
    .expect_err("three");
    let pointers: Vec<_> = violations
        .iter()
        .filter_map(|it| it.place.pointer.as_deref())
        .collect();
    assert_eq!(pointers, ["/a~1b", "/count", "/names/1"]);
    let violations = decode_parameters(&fields, &json!([]), 1 << 20).expect_err("no object");
    assert!(
        violations[0].message.contains("expected an object"),
        "{}",
        violations[0]
    );
}

#[test]
fn fields_that_are_left_out_make_no_more_than_there_may_be() {
    let field = |index: usize| Parameter {
        name: format!("field-{index}"),
        ty: Type::plain(Shape::Option(Box::new(Type::plain(Shape::Bool)))),
    };
    let record = Type::plain(Shape::Record((0..1000).map(field).collect()));
    let parameters = [Parameter {
        name: "records".to_owned(),
        ty: Type::plain(Shape::List(Box::new(record))),
    }];
    let decoded = |count: usize| {
        let input = json!({"records": vec![json!({}); count]});
        decode_parameters(&parameters, &input, 1 << 20)
    };
    let made = decoded(5).expect("half a MiB");
    let bytes: u64 = made.iter().map(held::parameter).sum();
    assert!(bytes < 1 << 20, "{bytes}");
    let violations = decoded(100_000).expect_err("gigabytes");
    assert_eq!(violations.len(), 1, "{violations:?}");
    let message = &violations[0].message;
    assert!(message.contains("more than 1048576 bytes"), "{message}");
    // Bytes in base64, texts and plain lists are held to it, too.
    for (shape, json) in [
        (Shape::Bytes, json!("A".repeat(1 << 20))),
        (
            Shape::List(Box::new(Type::plain(Shape::Bool))),
            json!(vec![true; 1 << 16]),
        ),
    ] {
        let parameters = [Parameter {
            name: "it".to_owned(),
            ty: Type::plain(shape),
        }];
        let refused = decode_parameters(&parameters, &json!({"it": json}), 1 << 20);
        assert_eq!(refused.expect_err("too much").len(), 1);
    }
}
