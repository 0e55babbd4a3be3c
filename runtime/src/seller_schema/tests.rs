use super::*;

use std::time::Instant;

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
            json!({"$ref": "#/$defs/%64", "$defs": {"d": true}}),
            "percent",
        ),
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
        (unevaluated_chain(40), "write `additionalProperties`"),
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
            "takes more than 32768 bytes",
        ),
        (
            json!({"patternProperties": {"[a-m]{12500}": true}}),
            "takes more than 32768 bytes",
        ),
        (
            json!({"pattern": "((a{1000}){1000}){1000}"}),
            "takes more than 32768 bytes",
        ),
        (
            json!({"allOf": (0..2500).map(|it| json!({"pattern": format!("x{{{}}}", 100 + it % 100)})).collect::<Vec<_>>()}),
            "patterns take more than",
        ),
        (
            json!({"properties": {"a": {"type": "nonsense"}}}),
            "\"nonsense\" is no type; there are string, number, integer, boolean, object, array and null (at /properties/a/type)",
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
    let fields: serde_json::Map<_, _> = (0..200)
        .map(|it| (format!("f{it}"), json!({"pattern": "^[a-z0-9_-]{1,64}$"})))
        .collect();
    assert!(SellerSchema::compile(json!({"properties": fields})).is_ok());
}

#[test]
fn a_pattern_that_would_backtrack_is_judged_in_linear_time() {
    let schema = SellerSchema::new(Some(&json!({"pattern": "^(a+)+$"}))).expect("valid");
    let input = Value::String("a".repeat(200_000) + "b");
    let started = std::time::Instant::now();
    let violations = schema.check(&input).expect_err("no match");
    assert_eq!(violations[0].code, "input_invalid");
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn a_value_that_is_too_large_for_the_schema_is_refused_rather_than_judged() {
    let alternatives: Vec<_> = (0..4000).map(|it| json!({"const": it})).collect();
    let names: serde_json::Map<_, _> = (0..20_000)
        .map(|it| (format!("{it:040}"), json!(1)))
        .collect();
    // Lists that are nested differently and hash alike.
    let nests: Vec<_> = (0..9000)
        .map(|it| json!([vec![json!([]); it % 3], []]))
        .collect();
    for (label, schema, good, too_large) in [
        (
            "alternatives times parts",
            json!({"items": {"anyOf": alternatives}}),
            json!([1, 2, 3]),
            json!(vec![-1; 340_000]),
        ),
        (
            "states of a pattern times bytes",
            json!({"items": {"pattern": "^[a-z0-9_-]{1,64}$"}}),
            json!(["a", "b"]),
            json!(["a".repeat(1 << 20)]),
        ),
        (
            "patterns of names",
            json!({"patternProperties": {"[0-9]{60}": false}, "additionalProperties": {"enum": (0..500).collect::<Vec<_>>()}}),
            json!({"a": 1}),
            Value::Object(names),
        ),
        (
            "items that have to be unique",
            json!({"uniqueItems": true}),
            json!((0..1000).collect::<Vec<_>>()),
            json!(nests),
        ),
        (
            "long constants",
            json!({"$defs": {"long": {"const": "a".repeat(30_000)}}, "items": {"anyOf": vec![json!({"$ref": "#/$defs/long"}); 1000]}}),
            json!([]),
            json!(vec!["b".repeat(30_000); 600]),
        ),
    ] {
        let schema = SellerSchema::compile(schema).expect(label);
        assert_eq!(schema.judge("the value", &good), Ok(()), "{label}");
        let began = Instant::now();
        let found = schema.judge("the value", &too_large).expect_err(label);
        assert!(
            found[0].1.contains("too large for the tool's schema"),
            "{label}: {found:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(1), "{label}");
    }
}

#[test]
fn judging_is_stopped_at_its_deadline() {
    // Past the arithmetic, which refuses it.
    let alternatives: Vec<_> = (0..2500)
        .map(|it| json!({"required": [it.to_string()]}))
        .collect();
    let schema = SellerSchema::compile(json!({"items": {"anyOf": alternatives}})).expect("valid");
    // Only the last alternative matches.
    let value = json!(vec![json!({"2499": 1}); 100_000]);
    let began = Instant::now();
    for is_explained in [false, true] {
        let found = schema.judge_within(Duration::from_millis(50), "it", &value, is_explained);
        let found = found.expect_err("out of time");
        assert!(found[0].1.contains("took too long"), "{found:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    // The thread and the schema are as before.
    assert_eq!(schema.judge("it", &json!([{"1": 1}])), Ok(()));
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
