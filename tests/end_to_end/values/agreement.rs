//! The schema and the conversion agree: what one takes the other does, at every border where they might not.

use super::{run, schemas};
use serde_json::{Value, json};
use tollgate_runtime::Refused;

#[test]
fn on_what_belongs_and_what_does_not() {
    let digits = |zeroes: usize, number: &str| json!("0".repeat(zeroes) + number);
    let cases: &[(&str, &[Value])] = &[
        (
            "echo-s32",
            &[
                json!(1),
                json!(1.0),
                json!(1.5),
                json!(1e2),
                json!(-0.0),
                json!("1"),
                json!(2_147_483_648.0),
            ],
        ),
        (
            "echo-u8",
            &[json!(255.0), json!(256.0), json!(-1.0), json!(1e-5)],
        ),
        (
            "echo-s64",
            &[
                json!("1"),
                json!("-1"),
                json!("+1"),
                json!("-0"),
                json!(""),
                json!("-"),
                json!("1.0"),
                digits(3, "1"),
                digits(19, "1"),
                digits(20, "1"),
                digits(30, "1"),
                json!(1.0),
                json!(1e15),
            ],
        ),
        (
            "echo-u64",
            &[
                json!("0"),
                json!("+0"),
                json!("18446744073709551615"),
                json!(1e15),
                json!(1.0),
            ],
        ),
        (
            "echo-f32",
            &[
                json!(1),
                json!(u64::MAX),
                json!("NaN"),
                json!("-NaN"),
                json!("+Infinity"),
            ],
        ),
        (
            "echo-f64",
            &[
                json!(1),
                json!(u64::MAX),
                json!(null),
                json!("Infinity"),
                json!("infinity"),
            ],
        ),
        (
            "echo-char",
            &[
                json!("a"),
                json!("😀"),
                json!(""),
                json!("ab"),
                json!("e\u{301}"),
            ],
        ),
        (
            "echo-tuple",
            &[
                json!([1, "a", true]),
                json!([1, "a"]),
                json!([1, "a", true, null]),
            ],
        ),
        (
            "echo-shape",
            &[
                json!({"tag": "nothing"}),
                json!({"tag": "nothing", "val": null}),
                json!({"tag": "circle", "val": null}),
                json!({"tag": "circle"}),
                json!({"tag": "none"}),
                json!({"val": 1}),
            ],
        ),
        (
            "echo-rights",
            &[
                json!([]),
                json!(["read", "read"]),
                json!(["read", "write", "run-as-root"]),
                json!([null]),
            ],
        ),
        (
            "echo-option",
            &[json!(null), json!(0), json!({"some": 0}), json!(false)],
        ),
        (
            "echo-option-option",
            &[
                json!(null),
                json!({"some": null}),
                json!({"some": 0}),
                json!({}),
                json!(0),
            ],
        ),
        (
            "echo-result",
            &[
                json!([{"ok": 1}]),
                json!([{"err": "a"}]),
                json!([{}]),
                json!([{"ok": 1, "err": "a"}]),
                json!([null]),
            ],
        ),
        (
            "echo-result-none",
            &[
                json!([{"ok": null}]),
                json!([{"ok": {}}]),
                json!([{"err": null}]),
                json!([{}]),
            ],
        ),
        (
            "echo-segment",
            &[
                json!({"start": {"x": 1, "y": 2}, "end": {"x": 1, "y": 2}}),
                json!({"start": {"x": 1, "y": 2}, "end": {"x": 1, "y": 2}, "label": null}),
                json!({"start": {"x": 1, "y": 2}, "end": null}),
            ],
        ),
    ];
    let mut disagreements = Vec::new();
    for (function, values) in cases {
        let schemas = schemas(function);
        for value in *values {
            let input = json!({ "value": value });
            let is_described = schemas.input.is_valid(&input);
            let is_taken = !matches!(run(function, input), Err(Refused::InputInvalid(_)));
            if is_described != is_taken {
                disagreements.push(format!(
                    "{function}: {value} described {is_described}, taken {is_taken}"
                ));
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

/// Lengths and ranges of 64-bit integers as text, and base64, are more than a pattern can say: there the schema may
/// take more than the conversion, never less.
#[test]
fn where_a_pattern_cannot_say_it_the_schema_takes_no_less() {
    let cases: &[(&str, &[Value])] = &[
        (
            "echo-u64",
            &[json!("-1"), json!("-0"), json!("99999999999999999999")],
        ),
        (
            "echo-s64",
            &[json!("-9223372036854775809"), json!("99999999999999999999")],
        ),
        (
            "echo-bytes",
            &[json!("AAE="), json!("AAE"), json!("?"), json!("")],
        ),
    ];
    for (function, values) in cases {
        let schemas = schemas(function);
        for value in *values {
            let input = json!({ "value": value });
            let is_taken = !matches!(run(function, input.clone()), Err(Refused::InputInvalid(_)));
            assert!(
                !is_taken || schemas.input.is_valid(&input),
                "{function}: {value}"
            );
        }
    }
}
