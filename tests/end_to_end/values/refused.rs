//! Values that do not belong: refused before anything runs, each by the pointer to where it stands.

use super::run;
use serde_json::{Value, json};
use tollgate_runtime::Refused;

fn pointers(function: &str, input: Value) -> Vec<String> {
    let Err(Refused::InputInvalid(violations)) = run(function, input.clone()) else {
        panic!("{function} takes {input}");
    };
    violations
        .into_iter()
        .map(|violation| {
            assert_eq!(violation.code, "input_invalid");
            violation.place.pointer.expect("a pointer")
        })
        .collect()
}

#[test]
fn each_is_refused_where_it_stands() {
    let point = json!({"x": 1, "y": 2});
    let segment = |start: &Value| json!({"start": start, "end": point});
    let cases = [
        // --- Of the wrong type ---
        ("echo-bool", json!(0), "/value"),
        ("echo-bool", json!("true"), "/value"),
        ("echo-bool", json!(null), "/value"),
        ("echo-s32", json!("1"), "/value"),
        ("echo-u8", json!(1.5), "/value"),
        ("echo-f64", json!("1.5"), "/value"),
        ("echo-f64", json!("nan"), "/value"),
        ("echo-f64", json!("inf"), "/value"),
        ("echo-string", json!(1), "/value"),
        ("echo-string", json!(["a"]), "/value"),
        ("echo-list-bool", json!({"0": true}), "/value"),
        ("echo-point", json!([1, 2]), "/value"),
        ("echo-option", json!("1"), "/value"),
        ("echo-option-option", json!(1), "/value"),
        ("echo-option-option", json!({}), "/value"),
        ("echo-option-option", json!({"some": "1"}), "/value/some"),
        (
            "echo-option-option",
            json!({"some": 1, "more": 2}),
            "/value/more",
        ),
        ("echo-list-option", json!(["a", 1]), "/value/1"),
        // --- Out of range ---
        ("echo-s8", json!(-129), "/value"),
        ("echo-s8", json!(128), "/value"),
        ("echo-s16", json!(-32_769), "/value"),
        ("echo-s16", json!(32_768), "/value"),
        ("echo-s32", json!(-2_147_483_649_i64), "/value"),
        ("echo-s32", json!(2_147_483_648_i64), "/value"),
        ("echo-s64", json!(9_223_372_036_854_775_808_u64), "/value"),
        ("echo-s64", json!("9223372036854775808"), "/value"),
        ("echo-s64", json!("-9223372036854775809"), "/value"),
        ("echo-s64", json!(1e19), "/value"),
        ("echo-s64", json!(""), "/value"),
        ("echo-s64", json!("1e3"), "/value"),
        ("echo-s64", json!(" 1"), "/value"),
        ("echo-u8", json!(-1), "/value"),
        ("echo-u8", json!(256), "/value"),
        ("echo-u16", json!(65_536), "/value"),
        ("echo-u32", json!(4_294_967_296_i64), "/value"),
        ("echo-u64", json!(-1), "/value"),
        ("echo-u64", json!("-1"), "/value"),
        ("echo-u64", json!("18446744073709551616"), "/value"),
        ("echo-u64", json!(18_446_744_073_709_551_616.0), "/value"),
        ("echo-f32", json!(3.5e38), "/value"),
        ("echo-f32", json!(-3.5e38), "/value"),
        // --- Characters and bytes ---
        ("echo-char", json!(""), "/value"),
        ("echo-char", json!("ab"), "/value"),
        ("echo-char", json!("u\u{308}"), "/value"),
        ("echo-char", json!(97), "/value"),
        ("echo-bytes", json!("not base64"), "/value"),
        ("echo-bytes", json!("AAE"), "/value"),
        ("echo-bytes", json!("AAE=\n"), "/value"),
        ("echo-bytes", json!("AAF="), "/value"),
        ("echo-bytes", json!("_-8="), "/value"),
        ("echo-bytes", json!([0, 1]), "/value"),
        ("echo-list-bytes", json!(["AAE=", "?"]), "/value/1"),
        // --- Records, tuples and parameters ---
        ("echo-point", json!({"x": 1}), "/value/y"),
        ("echo-point", json!({"x": 1, "y": 2, "z": 3}), "/value/z"),
        ("echo-point", json!({"x": 1, "y": null}), "/value/y"),
        (
            "echo-point",
            json!({"x": 1, "y": 2, "a/b~c": 3}),
            "/value/a~1b~0c",
        ),
        ("echo-segment", segment(&json!({"x": 1})), "/value/start/y"),
        (
            "echo-segment",
            segment(&json!({"x": "1", "y": 2})),
            "/value/start/x",
        ),
        (
            "echo-list-point",
            json!([point, {"x": 1, "y": true}]),
            "/value/1/y",
        ),
        ("echo-tuple", json!([1, "a"]), "/value"),
        ("echo-tuple", json!([1, "a", true, 4]), "/value"),
        ("echo-tuple", json!([1, 2, true]), "/value/1"),
        // --- Variants, enums, flags, results ---
        ("echo-shape", json!("nothing"), "/value"),
        ("echo-shape", json!({}), "/value/tag"),
        ("echo-shape", json!({"tag": "square"}), "/value/tag"),
        ("echo-shape", json!({"tag": 1}), "/value/tag"),
        ("echo-shape", json!({"tag": "circle"}), "/value/val"),
        (
            "echo-shape",
            json!({"tag": "circle", "val": "round"}),
            "/value/val",
        ),
        (
            "echo-shape",
            json!({"tag": "circle", "val": 1, "of": 2}),
            "/value/of",
        ),
        (
            "echo-shape",
            json!({"tag": "nothing", "val": 1}),
            "/value/val",
        ),
        (
            "echo-shape",
            json!({"tag": "polygon", "val": [{"x": 1}]}),
            "/value/val/0/y",
        ),
        ("echo-colour", json!("mauve"), "/value"),
        ("echo-colour", json!("Red"), "/value"),
        ("echo-colour", json!(0), "/value"),
        ("echo-rights", json!("read"), "/value"),
        ("echo-rights", json!(["read", "fly"]), "/value/1"),
        ("echo-rights", json!(["read", "write", "read"]), "/value/2"),
        ("echo-rights", json!({"read": true}), "/value"),
        ("echo-many", json!(["b32"]), "/value/0"),
        ("echo-result", json!([{}]), "/value/0"),
        ("echo-result", json!([{"ok": 1, "err": "a"}]), "/value/0"),
        ("echo-result", json!([{"ok": "1"}]), "/value/0/ok"),
        ("echo-result", json!([{"ok": 1, "and": 2}]), "/value/0/and"),
        ("echo-result-none", json!([{"ok": 1}]), "/value/0/ok"),
        ("echo-result-err", json!([{"err": null}]), "/value/0/err"),
    ];
    for (function, value, expected) in cases {
        let found = pointers(function, json!({ "value": value }));
        assert_eq!(found, [expected], "{function}: {value}");
    }
}

#[test]
fn parameters_are_those_of_the_function() {
    let cases = [
        ("echo-bool", json!({}), "/value"),
        ("echo-bool", json!({"value": true, "more": 1}), "/more"),
        ("echo-bool", json!(true), ""),
        ("echo-bool", json!([true]), ""),
        ("echo-bool", json!(null), ""),
        ("nothing", json!({"value": 1}), "/value"),
        ("nothing", json!(null), ""),
    ];
    for (function, input, expected) in cases {
        assert_eq!(
            pointers(function, input.clone()),
            [expected],
            "{function}: {input}"
        );
    }
}

#[test]
fn every_one_is_named_at_once_up_to_a_hundred() {
    let wrong = |count: usize| json!({"value": vec![json!("no"); count]});
    for (count, named) in [(1, 1), (99, 99), (100, 100), (101, 100), (50_000, 100)] {
        let found = pointers("echo-list-bool", wrong(count));
        assert_eq!(found.len(), named, "{count}");
        assert_eq!(found[named - 1], format!("/value/{}", named - 1));
    }
    let found = pointers(
        "echo-segment",
        json!({"value": {"start": {"x": "a"}, "end": 7, "name": 1}}),
    );
    for expected in [
        "/value/name",
        "/value/start/x",
        "/value/start/y",
        "/value/end",
    ] {
        assert!(
            found.iter().any(|pointer| pointer == expected),
            "{expected} is not in {found:?}"
        );
    }
}
