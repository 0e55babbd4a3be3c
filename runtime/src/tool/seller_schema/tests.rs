use super::*;

use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Each level is an `items` and its object.
fn nested(levels: usize) -> Value {
    (0..levels).fold(
        json!({}),
        |inner, _| json!({"properties": {"items": inner}}),
    )
}

/// The attack that made this module: each level is judged once for every alternative of the level above.
fn unevaluated_chain(levels: usize) -> Value {
    let level = |it: usize| {
        let next = json!({"$ref": format!("#/$defs/d{}", it + 1)});
        json!({"anyOf": [next], "unevaluatedProperties": {"type": "integer"}})
    };
    let mut defs: serde_json::Map<_, _> = (0..levels)
        .map(|it| (format!("d{it}"), level(it)))
        .collect();
    defs.insert(format!("d{levels}"), json!({"type": "object"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

/// Each level is a reference to the next one.
fn chain(levels: usize) -> Value {
    let level = |it: usize| json!({"anyOf": [{"$ref": format!("#/$defs/d{}", it + 1)}]});
    let mut defs: serde_json::Map<_, _> = (0..levels)
        .map(|it| (format!("d{it}"), level(it)))
        .collect();
    defs.insert(format!("d{levels}"), json!({"required": ["b"]}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn both_sides_of_a_schema_s_depth() {
    assert!(SellerSchema::compile(json!({"$defs": nested(15)})).is_ok());
    assert!(SellerSchema::compile(json!({"$defs": nested(16)})).is_err());
}

#[test]
fn dangerous_schemas_are_refused_by_name() {
    let mut bomb = serde_json::Map::new();
    bomb.insert("d0".to_owned(), json!({"type": "string"}));
    for level in 1..20 {
        let target = format!("#/$defs/d{}", level - 1);
        bomb.insert(
            format!("d{level}"),
            json!({"allOf": [{"$ref": target}, {"$ref": target}]}),
        );
    }
    let cases = [
        (json!({"$ref": "http://example.com/schema"}), "same schema"),
        (json!({"$ref": "file:///etc/passwd"}), "same schema"),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
            "$schema",
        ),
        (nested(17), "nests deeper than 32"),
        (json!({"$ref": "#"}), "leads back"),
        (
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            "leads back",
        ),
        (
            json!({"$defs": bomb, "$ref": "#/$defs/d19"}),
            "10000 subschemas when its references are written out",
        ),
        (chain(40), "64 levels"),
        (unevaluated_chain(20), "write `additionalProperties`"),
        (
            json!({"anyOf": [{"unevaluatedItems": false}]}),
            "(at /anyOf/0)",
        ),
        (
            json!({"$dynamicRef": "#a"}),
            "`$dynamicRef` is not a keyword",
        ),
        (json!({"requierd": ["a"]}), "`requierd` is not a keyword"),
        (
            json!({"$ref": "#/$comment", "$comment": {"type": "object"}}),
            "there is no schema",
        ),
        (json!({"pattern": "(a)\\1"}), "linear time"),
        (json!({"pattern": "(?=a)b"}), "linear time"),
        (
            json!({"pattern": "[a-m][a-m]{12500}[^a-m]"}),
            "takes more than 65536 bytes",
        ),
        (
            json!({"patternProperties": {"[a-m]{12500}": true}}),
            "takes more than 65536 bytes",
        ),
        (
            json!({"pattern": "((a{1000}){1000}){1000}"}),
            "takes more than 65536 bytes",
        ),
        (
            json!({"allOf": (0..2500).map(|it| json!({"pattern": format!("x{{{}}}", 100 + it % 100)})).collect::<Vec<_>>()}),
            "patterns take more than",
        ),
        (
            json!({"properties": {"a": {"type": "nonsense"}}}),
            "`/properties/a/type` names \"nonsense\", which is not a type; there are string, number, integer, boolean, object, array and null",
        ),
        (
            json!({"description": "x".repeat(SCHEMA_BYTES_MAX)}),
            "bytes",
        ),
    ];
    for (schema, expected) in cases {
        let violations = SellerSchema::new(Some(&schema)).expect_err(expected);
        assert_eq!(violations[0].code, "schema_invalid");
        assert!(
            violations[0].message.contains(expected),
            "{}",
            violations[0]
        );
    }
}

#[test]
fn many_plain_patterns_are_taken() {
    for pattern in [
        "^[a-z]{1,300}$",
        "^.{1,60}$",
        "^[^/]{1,64}$",
        "^\\w{1,255}$",
    ] {
        let schema = SellerSchema::compile(json!({"pattern": pattern})).expect(pattern);
        assert_eq!(schema.judge("it", &json!("abc")), Ok(()));
    }
    let fields: serde_json::Map<_, _> = (0..200)
        .map(|it| (format!("f{it}"), json!({"pattern": "^[a-z0-9_-]{1,64}$"})))
        .collect();
    assert!(SellerSchema::compile(json!({"properties": fields})).is_ok());
}

#[test]
fn a_pattern_that_would_backtrack_is_judged_in_linear_time() {
    let schema = SellerSchema::new(Some(&json!({"pattern": "^(a+)+$"}))).expect("valid");
    let input = Value::String("a".repeat(200_000) + "b");
    let started = Instant::now();
    let violations = schema.check(&input).expect_err("no match");
    assert_eq!(violations[0].code, "input_invalid");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_value_that_is_too_large_for_the_schema_is_refused() {
    let alternatives: Vec<_> = (0..4000).map(|it| json!({"const": it})).collect();
    for (label, schema, good, too_large) in [
        (
            "alternatives times parts, by arithmetic",
            json!({"items": {"anyOf": alternatives}}),
            json!([1, 2, 3]),
            json!(vec![-1; 340_000]),
        ),
        (
            "alternatives times parts, by its steps",
            json!({"items": {"anyOf": alternatives}}),
            json!(vec![1; 10_000]),
            json!(vec![3999; 10_000]),
        ),
        (
            "states of a pattern times bytes",
            json!({"items": {"pattern": "^[a-z0-9_-]{1,64}$"}}),
            json!(["a", "b"]),
            json!(["a".repeat(2 << 20)]),
        ),
        (
            "a union with many ways to the same place",
            json!({"items": {"pattern": format!("(?:{})[b-z]", "|".repeat(1750))}}),
            json!(["a".repeat(1000) + "b"]),
            json!(["a".repeat(200_000)]),
        ),
        (
            "a class of many ranges",
            json!({"items": {"pattern": format!("^(?:[{}]?){{80}}~$", (0x21..0x7b).step_by(2).map(|it| format!("\\x{it:02x}")).collect::<String>())}}),
            json!(["!~"]),
            json!(["!".repeat(200_000)]),
        ),
        (
            "edges of words, looked up in a table of all letters",
            json!({"items": {"pattern": r"\B".repeat(200) + "[^漢]"}}),
            json!(["漢".repeat(10_000) + "a"]),
            json!(["漢".repeat(100_000)]),
        ),
    ] {
        let schema = SellerSchema::compile(schema).expect(label);
        assert_eq!(schema.judge("the value", &good), Ok(()), "{label}");
        let found = schema.judge("the value", &too_large).expect_err(label);
        assert!(
            found[0].1.contains("too large for the tool's schema"),
            "{label}: {found:?}"
        );
    }
}

#[test]
fn what_cost_a_library_minutes_is_ended_by_what_its_steps_take() {
    let objects: Vec<_> = (0..1000).map(|it| json!({"b": it, "c": 1})).collect();
    let long_name = json!({"k".repeat(1_000_000): 1, "x": 2});
    let nests: Vec<_> = (0..9000)
        .map(|it| json!([vec![json!([]); it % 3], [it / 3]]))
        .collect();
    let deep = json!({"anyOf": [{"additionalProperties": {"items": {"maximum": 0}}}]});
    for (label, schema, value) in [
        (
            "objects beside a long name",
            json!({"$defs": {"e": {"enum": objects}}, "anyOf": vec![json!({"$ref": "#/$defs/e"}); 300]}),
            long_name,
        ),
        (
            "multiples of fractions",
            json!({"contains": {"anyOf": vec![json!({"multipleOf": 0.123_456_789_012_3}); 1500]}}),
            json!(vec![1.1e300; 4000]),
        ),
        (
            "errors with long pointers",
            deep,
            json!({"k".repeat(900_000): vec![1; 5000]}),
        ),
        (
            "lists whose hashes collide",
            json!({"uniqueItems": true}),
            json!(nests),
        ),
        (
            "a pattern in each alternative",
            json!({"items": {"anyOf": (0..200).map(|it| json!({"pattern": format!("[a-m]{{{}}}z", it % 60 + 2)})).collect::<Vec<_>>()}}),
            json!(vec!["m".repeat(10_000); 100]),
        ),
    ] {
        let schema = SellerSchema::compile(schema).expect(label);
        let begun_at = Instant::now();
        let judged = schema.judge("it", &value);
        // Two seconds of a slow machine without optimisation; a library took minutes with it.
        assert!(begun_at.elapsed() < Duration::from_secs(30), "{label}");
        let found = judged.err().unwrap_or_default();
        let bytes: usize = found.iter().map(|(at, said)| at.len() + said.len()).sum();
        assert!(
            bytes < 20 * 1_100_000,
            "{label}: {bytes} bytes of violations"
        );
    }
}

#[test]
fn a_schema_is_kept_once_however_it_is_referred_to() {
    // A name of six tildes has 64 spellings: each may be escaped or not.
    let name = "~".repeat(6);
    let spelled = |bits: usize| {
        let part = |it: usize| if bits >> it & 1 == 1 { "~0" } else { "~" };
        (0..name.len()).map(part).collect::<String>()
    };
    let references: Vec<_> = (0..64)
        .map(|bits| json!({"$ref": format!("#/$defs/{}", spelled(bits))}))
        .collect();
    let indexes = ["0", "00", "+0"].map(|it| json!({"$ref": format!("#/$defs/list/anyOf/{it}")}));
    let schema = SellerSchema::compile(json!({
        "$defs": {name.clone(): {"const": vec![0; 1000]}, "list": {"anyOf": [{"const": vec![0; 1000]}]}},
        "anyOf": references,
        "oneOf": indexes,
    }));
    // The root, the name, the list and its one, and the references: never what they refer to again.
    assert_eq!(schema.expect("small").parsed.schemas.len(), 4 + 64 + 3);
    // What is inside of what is referred to is not copied either.
    let nested = (0..14).fold(json!({"const": 1}), |inner, _| json!({"items": inner}));
    let places = (0..14).map(|it| json!({"$ref": format!("#/$defs/a{}", "/items".repeat(it))}));
    let schema = json!({"$defs": {"a": nested}, "anyOf": places.collect::<Vec<_>>()});
    let schema = SellerSchema::compile(schema).expect("small");
    assert_eq!(schema.parsed.schemas.len(), 1 + 15 + 14);
}

#[test]
fn mistakes_are_named_where_they_stand() {
    for (schema, place) in [
        (json!({"if": {}, "then": {"type": 1}}), "/then/type"),
        (json!({"if": {}, "else": {"type": 1}}), "/else/type"),
        (
            json!({"prefixItems": [{}], "items": {"type": 1}}),
            "/items/type",
        ),
        (
            json!({"prefixItems": [{"type": 1}], "items": {}}),
            "/prefixItems/0/type",
        ),
        (
            json!({"properties": {}, "additionalProperties": {"type": 1}}),
            "/additionalProperties/type",
        ),
        (
            json!({"properties": {}, "patternProperties": {"a": {"type": 1}}}),
            "/patternProperties/a/type",
        ),
        (json!({"contains": {}, "minContains": "x"}), "/minContains"),
    ] {
        let refused = SellerSchema::compile(schema.clone()).expect_err("a mistake");
        let refused = format!("{refused:?}");
        assert!(
            refused.contains(&format!("`{place}`")),
            "{schema}: {refused}"
        );
    }
}

#[test]
fn what_takes_long_to_translate_is_refused_before_it_is() {
    for pattern in [
        "\\s".repeat(20_000),
        "\\cA".repeat(15_000),
        format!("(?:{}){{0}}", "\\s".repeat(10_000)),
        "\\p{L}".repeat(9_000),
    ] {
        let begun_at = Instant::now();
        let refused = SellerSchema::compile(json!({"pattern": pattern}));
        assert!(format!("{refused:?}").contains("too long to read"));
        // It took minutes.
        assert!(begun_at.elapsed() < Duration::from_secs(5));
    }
    let honest = json!({"pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?(Z|[+-]\\d\\d:\\d\\d)$"});
    let fields: serde_json::Map<_, _> = (0..100)
        .map(|it| (format!("f{it}"), honest.clone()))
        .collect();
    assert!(SellerSchema::compile(json!({"properties": fields})).is_ok());
}

#[test]
fn patterns_set_no_flags() {
    let begun_at = Instant::now();
    for pattern in [
        format!("(?i:{})", vec!["[A-\u{1e943}]"; 7270].join("|")),
        "(?i)a".to_owned(),
        "\\\\(?i)[A-\u{1e943}]{0}".to_owned(),
        "(?-u)a".to_owned(),
        "(?s-m:.)".to_owned(),
        "[[](?x)a b".to_owned(),
    ] {
        let refused = SellerSchema::compile(json!({"pattern": pattern}));
        assert!(
            format!("{refused:?}").contains("sets flags"),
            "{pattern:.20}"
        );
    }
    assert!(begun_at.elapsed() < Duration::from_secs(5));
    for honest in [
        "^\\(?\\d{3}\\)?$",
        "^\\(?i$",
        "^(?:a|b)$",
        "^(?<year>\\d+)$",
        "^[(?]i$",
    ] {
        let compiled = SellerSchema::compile(json!({"pattern": honest}));
        assert!(compiled.is_ok(), "{honest}: {compiled:?}");
    }
    let wide = vec!["[A-\u{1e943}]"; 7000].join("|");
    let _ = SellerSchema::compile(json!({"pattern": wide}));
    assert!(begun_at.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_type_is_named_once() {
    let refused = SellerSchema::compile(json!({"type": vec!["null"; 6300]}));
    assert!(format!("{refused:?}").contains("names null twice"));
    assert!(SellerSchema::compile(json!({"type": ["null", "string"]})).is_ok());
}

#[test]
fn large_numbers_are_multiples_as_they_were_written() {
    for (of, number, is_multiple) in [
        (10.0, 1e23, true),
        (10.0, 1e25, true),
        (3.0, 1e23, false),
        (7.0, 7e22, true),
        (10.0, 1.234_567_890_123_456_7e17, true),
        (0.1, 1e22, true),
    ] {
        let schema = SellerSchema::compile(json!({"multipleOf": of})).expect("valid");
        let judged = schema.judge("it", &json!(number));
        assert_eq!(judged.is_ok(), is_multiple, "{number} of {of}");
    }
}

#[test]
fn the_memory_of_all_patterns_together_is_bounded() {
    let patterns = |count: usize| {
        let patterns = (0..count).map(|it| json!({"pattern": format!("^[a-z]{{1,20}}{it}$")}));
        json!({"anyOf": patterns.collect::<Vec<_>>()})
    };
    let one = SellerSchema::compile(patterns(1))
        .expect("small")
        .memory_bytes();
    let many = SellerSchema::compile(patterns(50))
        .expect("small")
        .memory_bytes();
    assert!(many > 30 * one && many < 16 << 20, "{one} and {many} bytes");
    assert!(SellerSchema::compile(patterns(2000)).is_err());
}

#[test]
fn deep_chains_and_long_lists_of_honest_schemas_are_taken() {
    assert!(SellerSchema::compile(chain(20)).is_ok());
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {
        "text": {"type": "string", "maxLength": 1 << 20, "description": "what to count", "pattern": "^[^\\x00]*$"},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    }});
    let schema = SellerSchema::compile(schema).expect("valid");
    let rows = vec![json!([1, 2, 3, 4]); 20_000];
    let input = json!({"text": "word ".repeat(100_000), "rows": rows});
    assert_eq!(schema.judge("the input", &input), Ok(()));
}

#[test]
fn an_input_s_violations_have_their_pointers() {
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["m"]});
    let violations = SellerSchema::new(Some(&schema))
        .expect("valid")
        .check(&json!({"n": "x"}))
        .expect_err("two");
    let pointers: Vec<_> = violations
        .iter()
        .filter_map(|it| it.place.pointer.as_deref())
        .collect();
    assert!(
        pointers.contains(&"/n") && pointers.contains(&""),
        "{pointers:?}"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_was_wanted() {
    let schema = json!({
        "type": "object",
        "required": ["m"],
        "additionalProperties": false,
        "properties": {
            "n": {"type": "integer", "minimum": 3},
            "t": {"type": ["string", "null"], "maxLength": 2, "pattern": "^a"},
            "e": {"enum": ["x", "y"]},
            "l": {"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "maxItems": 1},
        },
    });
    let schema = SellerSchema::compile(schema).expect("valid");
    let value = json!({"n": 1.5, "t": "bcd", "e": "z", "l": [1, null], "o/p": 1});
    let found = schema.judge("the input", &value).expect_err("all of it");
    let expected = [
        ("", "the input lacks the required field \"m\""),
        ("/n", "/n 1.5 is not of type \"integer\""),
        ("/n", "/n 1.5 is less than 3"),
        ("/t", "/t \"bcd\" is longer than 2 characters"),
        ("/t", "/t \"bcd\" does not match the pattern `^a`"),
        ("/e", "/e \"z\" is not one of \"x\", \"y\""),
        ("/l/0", "/l/0 1 fits none of the alternatives of `anyOf`"),
        ("/l", "/l has 2 items; at most 1 are allowed"),
        ("/o~1p", "/o~1p is not allowed"),
    ];
    let expected = expected.map(|(at, said)| (at.to_owned(), said.to_owned()));
    let sorted = |mut found: Vec<(String, String)>| {
        found.sort();
        found
    };
    assert_eq!(sorted(found), sorted(expected.to_vec()));
}

#[test]
fn references_lead_to_schemas_by_whatever_name() {
    let schema = json!({
        "$defs": {"List<Foo>": {"type": "integer"}, "a/b~c": {"type": "string"}, "ü": true},
        "properties": {
            "plain": {"$ref": "#/$defs/List<Foo>"},
            "encoded": {"$ref": "#/$defs/List%3CFoo%3E"},
            "escaped": {"$ref": "#/$defs/a~1b~0c"},
            "umlaut": {"$ref": "#/$defs/%C3%BC"},
            "beside": {"$ref": "#/properties/plain", "minimum": 3},
            "$ref": {"type": "boolean"},
        },
    });
    let schema = SellerSchema::compile(schema).expect("valid");
    for (value, is_good) in [
        (
            json!({"plain": 1, "encoded": 2, "escaped": "x", "umlaut": []}),
            true,
        ),
        (json!({"beside": 3, "$ref": true}), true),
        (json!({"encoded": "x"}), false),
        (json!({"escaped": 1}), false),
        (json!({"beside": 2}), false),
        (json!({"$ref": 1}), false),
    ] {
        assert_eq!(schema.judge("it", &value).is_ok(), is_good, "{value}");
    }
}

/// Small values, so that they meet the schemas often.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..4_i64).prop_map(Value::from),
        prop::sample::select(vec![0.5, 1.0, 1.5, 0.3, -0.0, 1e15]).prop_map(Value::from),
        prop::sample::select(vec!["", "a", "b", "ab", "aaa", "é"]).prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        let name = prop::sample::select(vec!["a", "b", "ab", ""]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..4).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, it)| (name.to_owned(), it))
                        .collect(),
                )
            }),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let ty = || {
        prop::sample::select(vec![
            "null", "boolean", "integer", "number", "string", "array", "object",
        ])
    };
    let name = || prop::sample::select(vec!["a", "b", "ab"]);
    let number = || prop::sample::select(vec![json!(0), json!(1), json!(2), json!(0.5), json!(-1)]);
    let pattern = || prop::sample::select(vec!["^a", "b$", "a{2,3}", "^\\S*$", "^(a|b)$", "."]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        ty().prop_map(|ty| json!({"type": ty})),
        (ty(), ty())
            .prop_filter("unlike", |(one, other)| one != other)
            .prop_map(|(one, other)| json!({"type": [one, other]})),
        value().prop_map(|it| json!({"const": it})),
        prop::collection::vec(value(), 1..4).prop_map(|it| json!({"enum": it})),
        (
            prop::sample::select(vec![
                "minimum",
                "maximum",
                "exclusiveMinimum",
                "exclusiveMaximum"
            ]),
            number()
        )
            .prop_map(|(keyword, number)| json!({keyword: number})),
        prop::sample::select(vec![json!(0.1), json!(0.5), json!(2), json!(3)])
            .prop_map(|it| json!({"multipleOf": it})),
        (
            prop::sample::select(vec![
                "minLength",
                "maxLength",
                "minItems",
                "maxItems",
                "minProperties",
                "maxProperties"
            ]),
            0..3_u64
        )
            .prop_map(|(keyword, count)| json!({keyword: count})),
        pattern().prop_map(|it| json!({"pattern": it})),
        Just(json!({"uniqueItems": true})),
        prop::collection::vec(name(), 0..3).prop_map(|mut it| {
            it.sort_unstable();
            it.dedup();
            json!({"required": it})
        }),
        (name(), name()).prop_map(|(one, other)| json!({"dependentRequired": {one: [other]}})),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let several = || prop::collection::vec(inner.clone(), 1..4);
        let one = || inner.clone();
        prop_oneof![
            several().prop_map(|it| json!({"allOf": it})),
            several().prop_map(|it| json!({"anyOf": it})),
            several().prop_map(|it| json!({"oneOf": it})),
            one().prop_map(|it| json!({"not": it})),
            (one(), one(), one()).prop_map(|(a, b, c)| json!({"if": a, "then": b, "else": c})),
            (one(), one()).prop_map(|(a, b)| json!({"prefixItems": [a], "items": b})),
            (one(), 0..3_u64, 0..3_u64).prop_map(|(a, min, max)| json!({"contains": a, "minContains": min, "maxContains": max})),
            one().prop_map(|it| json!({"contains": it})),
            (one(), one(), one()).prop_map(|(a, b, c)| json!({"properties": {"a": a}, "patternProperties": {"^a": b}, "additionalProperties": c})),
            one().prop_map(|it| json!({"propertyNames": it})),
            (name(), one()).prop_map(|(name, it)| json!({"dependentSchemas": {name: it}})),
            (one(), one()).prop_map(|(a, b)| json!({"$defs": {"d": a}, "$ref": "#/$defs/d", "anyOf": [b, {"$ref": "#/$defs/d"}]})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_are_judged_as_a_library_judges_them(schema in schema(), values in prop::collection::vec(value(), 8)) {
        // References of a subschema are read from the root: only those of the root itself are looked at.
        let nested = schema.to_string().matches("$defs\":").count();
        prop_assume!(nested == 0 || (nested == 1 && schema.get("$defs").is_some()));
        let library = jsonschema::draft202012::new(&schema).expect("valid");
        let ours = SellerSchema::compile(schema.clone()).expect("allowed");
        for value in values {
            let judged = ours.judge("it", &value);
            prop_assert_eq!(judged.is_ok(), library.is_valid(&value), "{} of {}: {:?}", value, schema, judged);
            if let Err(found) = judged {
                prop_assert!(!found.is_empty());
            }
        }
    }
}
