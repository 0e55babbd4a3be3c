//! For each type of WIT its JSON values, as they may be given and as they come back.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

/// A value as a caller may write it, and as the tool's answer writes it.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) given: Value,
    pub(crate) echoed: Value,
}

pub(crate) type Pairs = BoxedStrategy<Pair>;

/// A strategy for the argument of each function `(value: T) -> T`.
pub(crate) fn table() -> Vec<(&'static str, Pairs)> {
    vec![
        ("echo-bool", bools()),
        ("echo-s8", narrow(i8::MIN.into(), i8::MAX.into())),
        ("echo-s16", narrow(i16::MIN.into(), i16::MAX.into())),
        ("echo-s32", narrow(i32::MIN.into(), i32::MAX.into())),
        ("echo-s64", s64s()),
        ("echo-u8", narrow(0, u8::MAX.into())),
        ("echo-u16", narrow(0, u16::MAX.into())),
        ("echo-u32", u32s()),
        ("echo-u64", u64s()),
        ("echo-f32", f32s()),
        ("echo-f64", f64s()),
        ("echo-char", chars()),
        ("echo-string", strings()),
        ("echo-bytes", bytes()),
        ("echo-list-bool", list(bools())),
        ("echo-list-s64", list(s64s())),
        ("echo-list-f32", list(f32s())),
        ("echo-list-string", list(strings())),
        ("echo-list-list", list(list(u32s()))),
        ("echo-list-bytes", list(bytes())),
        ("echo-list-option", list(option(strings()))),
        ("echo-list-point", list(points())),
        ("echo-list-shape", list(shapes())),
        ("echo-list-colour", list(colours())),
        ("echo-list-rights", list(rights())),
        ("echo-list-everything", list(everything())),
        ("echo-option", option(u32s())),
        ("echo-option-option", option_option(u32s())),
        ("echo-option-list", option(list(strings()))),
        ("echo-result", tuple(vec![result(u32s(), strings())])),
        ("echo-result-ok", tuple(vec![result(u32s(), nothing())])),
        ("echo-result-err", tuple(vec![result(nothing(), strings())])),
        (
            "echo-result-none",
            tuple(vec![result(nothing(), nothing())]),
        ),
        (
            "echo-tuple",
            tuple(vec![
                narrow(i32::MIN.into(), i32::MAX.into()),
                strings(),
                bools(),
            ]),
        ),
        ("echo-point", points()),
        ("echo-segment", segments()),
        ("echo-everything", everything()),
        ("echo-shape", shapes()),
        ("echo-colour", colours()),
        ("echo-rights", rights()),
        (
            "echo-many",
            flags((0..32).map(|number| format!("b{number:02}")).collect()),
        ),
    ]
}

fn same(value: Value) -> Pair {
    Pair {
        given: value.clone(),
        echoed: value,
    }
}

fn both(pair: Pair, wrap: impl Fn(Value) -> Value) -> Pair {
    Pair {
        given: wrap(pair.given),
        echoed: wrap(pair.echoed),
    }
}

fn nothing() -> Pairs {
    Just(same(Value::Null)).boxed()
}

fn bools() -> Pairs {
    any::<bool>().prop_map(|value| same(json!(value))).boxed()
}

fn narrow(minimum: i64, maximum: i64) -> Pairs {
    let edges = [minimum, minimum + 1, 0, 1, maximum - 1, maximum];
    prop_oneof![select(edges.to_vec()), minimum..=maximum]
        .prop_map(|value| same(json!(value)))
        .boxed()
}

fn u32s() -> Pairs {
    narrow(0, u32::MAX.into())
}

/// A 64-bit integer, as a number or as its decimal text.
fn wide<N: std::fmt::Display + Copy>(number: N, as_text: bool, json: Value) -> Pair {
    Pair {
        given: if as_text {
            json!(number.to_string())
        } else {
            json.clone()
        },
        echoed: json,
    }
}

fn s64s() -> Pairs {
    let edges = vec![
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        1 << 53,
        (1 << 53) + 1,
        i64::MAX - 1,
        i64::MAX,
    ];
    (prop_oneof![select(edges), any::<i64>()], any::<bool>())
        .prop_map(|(number, as_text)| wide(number, as_text, json!(number)))
        .boxed()
}

fn u64s() -> Pairs {
    let edges = vec![
        0,
        1,
        (1 << 53) + 1,
        i64::MAX as u64 + 1,
        u64::MAX - 1,
        u64::MAX,
    ];
    (prop_oneof![select(edges), any::<u64>()], any::<bool>())
        .prop_map(|(number, as_text)| wide(number, as_text, json!(number)))
        .boxed()
}

fn odd_floats() -> Pairs {
    select(vec!["NaN", "Infinity", "-Infinity"])
        .prop_map(|text| same(json!(text)))
        .boxed()
}

fn f64s() -> Pairs {
    let edges = vec![
        0.0,
        -0.0,
        0.1,
        1.0,
        f64::MIN,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        5e-324,
        1e16,
    ];
    let finite = prop_oneof![
        select(edges),
        proptest::num::f64::NORMAL,
        proptest::num::f64::SUBNORMAL
    ];
    prop_oneof![
        4 => finite.prop_map(|number| same(json!(number))),
        1 => odd_floats(),
        1 => (-1000..1000_i64).prop_map(|whole| same(json!(whole))),
    ]
    .boxed()
}

/// Comes back as the shortest text that names the `f32`, which is the text it was given as.
fn f32s() -> Pairs {
    let edges = vec![
        0.0,
        -0.0,
        0.1,
        1.0,
        f32::MIN,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::EPSILON,
        1e-45,
    ];
    let finite = prop_oneof![
        select(edges),
        proptest::num::f32::NORMAL,
        proptest::num::f32::SUBNORMAL
    ];
    let shortest = |number: f32| -> f64 { number.to_string().parse().expect("a number") };
    prop_oneof![
        4 => finite.prop_map(move |number| same(json!(shortest(number)))),
        1 => odd_floats(),
    ]
    .boxed()
}

fn chars() -> Pairs {
    let edges = vec![
        '\0',
        '"',
        '\\',
        '\u{7f}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffff}',
        '\u{10000}',
        '\u{10ffff}',
        '😀',
    ];
    prop_oneof![select(edges), any::<char>()]
        .prop_map(|value| same(json!(value)))
        .boxed()
}

fn strings() -> Pairs {
    let text = vec(any::<char>(), 0..20).prop_map(String::from_iter);
    let edges = vec![
        "",
        "\0",
        "NaN",
        "null",
        "ü\u{301}😀\u{202e}",
        "\r\n\u{1b}[2J",
    ];
    prop_oneof![
        text,
        select(edges).prop_map(str::to_owned),
        (0..5_000_usize).prop_map(|length| "ab".repeat(length)),
    ]
    .prop_map(|text| same(json!(text)))
    .boxed()
}

fn bytes() -> Pairs {
    vec(any::<u8>(), 0..70)
        .prop_map(|bytes| same(json!(base64(&bytes))))
        .boxed()
}

/// RFC 4648, written out so that the host's is not compared with itself.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..4 {
            let is_padding = digit > group.len();
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[index])
            });
        }
    }
    text
}

fn list(element: Pairs) -> Pairs {
    vec(element, 0..5).prop_map(array).boxed()
}

fn tuple(parts: Vec<Pairs>) -> Pairs {
    parts.prop_map(array).boxed()
}

fn array(pairs: Vec<Pair>) -> Pair {
    let (given, echoed): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .map(|pair| (pair.given, pair.echoed))
        .unzip();
    Pair {
        given: given.into(),
        echoed: echoed.into(),
    }
}

fn option(inner: Pairs) -> Pairs {
    prop_oneof![1 => nothing(), 3 => inner].boxed()
}

fn option_option(inner: Pairs) -> Pairs {
    let some = option(inner).prop_map(|pair| both(pair, |value| json!({"some": value})));
    prop_oneof![1 => nothing(), 3 => some].boxed()
}

fn result(ok: Pairs, err: Pairs) -> Pairs {
    prop_oneof![
        ok.prop_map(|pair| both(pair, |value| json!({"ok": value}))),
        err.prop_map(|pair| both(pair, |value| json!({"err": value}))),
    ]
    .boxed()
}

/// Fields in any order; those that are options may be left out.
fn record(fields: Vec<(&'static str, bool, Pairs)>) -> Pairs {
    let (names, strategies): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .map(|(name, is_option, pairs)| ((name, is_option), pairs))
        .unzip();
    let order = Just((0..names.len()).collect::<Vec<_>>()).prop_shuffle();
    (strategies, order, any::<bool>())
        .prop_map(move |(pairs, order, leaves_out)| {
            let given = order.iter().filter(|index| {
                !(leaves_out && names[**index].1 && pairs[**index].given.is_null())
            });
            Pair {
                given: given
                    .map(|index| (names[*index].0.to_owned(), pairs[*index].given.clone()))
                    .collect(),
                echoed: names
                    .iter()
                    .zip(&pairs)
                    .map(|((name, _), pair)| ((*name).to_owned(), pair.echoed.clone()))
                    .collect(),
            }
        })
        .boxed()
}

/// Labels in any order come back in the order of the type.
fn flags(labels: Vec<String>) -> Pairs {
    let count = labels.len();
    subsequence(labels, 0..=count)
        .prop_flat_map(|set| (Just(set.clone()), Just(set).prop_shuffle()))
        .prop_map(|(echoed, given)| Pair {
            given: json!(given),
            echoed: json!(echoed),
        })
        .boxed()
}

fn variant(tag: &'static str, payload: Pairs) -> Pairs {
    payload
        .prop_map(move |pair| both(pair, |value| json!({"tag": tag, "val": value})))
        .boxed()
}

fn points() -> Pairs {
    let coordinate = || narrow(i32::MIN.into(), i32::MAX.into());
    record(vec![("x", false, coordinate()), ("y", false, coordinate())])
}

fn segments() -> Pairs {
    record(vec![
        ("start", false, points()),
        ("end", false, points()),
        ("label", true, option(strings())),
    ])
}

fn shapes() -> Pairs {
    prop_oneof![
        Just(same(json!({"tag": "nothing"}))),
        variant("circle", f32s()),
        variant("line", segments()),
        variant("polygon", list(points())),
    ]
    .boxed()
}

fn colours() -> Pairs {
    select(vec!["red", "green", "dark-blue"])
        .prop_map(|label| same(json!(label)))
        .boxed()
}

fn rights() -> Pairs {
    flags(["read", "write", "run-as-root"].map(str::to_owned).to_vec())
}

fn everything() -> Pairs {
    record(vec![
        ("truth", false, bools()),
        ("small", false, narrow(0, u8::MAX.into())),
        ("big", false, s64s()),
        ("ratio", false, f64s()),
        ("letter", false, chars()),
        ("text", false, strings()),
        ("bytes", false, bytes()),
        ("points", false, list(points())),
        ("maybe", true, option(segments())),
        ("outcome", false, result(u32s(), strings())),
        (
            "pair",
            false,
            tuple(vec![strings(), narrow(0, u16::MAX.into())]),
        ),
        ("shape", false, shapes()),
        ("colour", false, colours()),
        ("rights", false, rights()),
    ])
}
