//! Bytes and lines of input, output and logs, and how deep JSON nests.

use super::{call, end, only};
use crate::guests;
use serde_json::{Value, json};
use tollgate_runtime::{FailureKind, Limits, LogStream, Refused, Tool};
use tollgate_tests::{load, output, packed, runtime, tool, tool_of};

const MIB: usize = 1 << 20;
const OUTPUT_LIMIT: Option<(FailureKind, Option<&str>)> =
    Some((FailureKind::OutputLimit, Some("output")));

async fn text_to_stdout() -> Tool {
    let packed = packed(&guests::copies_to_stdout(), guests::TEXT_IS_STDIN);
    load(runtime(), &packed).await
}

/// An input of exactly so many bytes of JSON text.
fn input(bytes: usize) -> Value {
    let input = json!({"text": "a".repeat(bytes - r#"{"text":""}"#.len())});
    assert_eq!(input.to_string().len(), bytes);
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn of_input() {
    let tool = tool_of(&guests::copies_to_stderr()).await;
    let lowered = Limits {
        input_bytes: 1000,
        ..Limits::default()
    };
    for (limits, bytes) in [(Limits::default(), MIB), (lowered, 1000)] {
        let ended = only(&tool, input(bytes), limits.clone()).await;
        assert_eq!(end(&ended), None, "{bytes}");
        let refused = only(&tool, input(bytes + 1), limits).await;
        let Err(Refused::InputInvalid(violations)) = refused else {
            panic!("{bytes} and one: {refused:?}");
        };
        assert!(
            violations[0].message.contains(&bytes.to_string()),
            "{}",
            violations[0]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_typed_output() {
    let values = tool("hostile-values").await;
    let lowered = Limits {
        output_bytes: 500,
        ..Limits::default()
    };
    for (limits, bytes) in [(Limits::default(), MIB), (lowered, 500)] {
        let letters = |bytes: usize| {
            let input = json!({"count": bytes - 2});
            call(&values, "letters", input, limits.clone())
        };
        assert_eq!(output(letters(bytes).await).to_string().len(), bytes);
        assert_eq!(end(&letters(bytes + 1).await), OUTPUT_LIMIT, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_typed_error() {
    let values = tool("hostile-values").await;
    let limits = Limits {
        output_bytes: 500,
        ..Limits::default()
    };
    for (count, kind) in [(498, FailureKind::Error), (499, FailureKind::OutputLimit)] {
        let ended = call(
            &values,
            "fail-at-length",
            json!({"count": count}),
            limits.clone(),
        )
        .await;
        assert_eq!(end(&ended).map(|(kind, _)| kind), Some(kind), "{count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_standard_output() {
    let copies = text_to_stdout().await;
    let limits = Limits {
        output_bytes: 500,
        ..Limits::default()
    };
    let number = |digits: usize| json!({"text": " ".repeat(digits - 1) + "7"});
    let ended = only(&copies, number(500), limits.clone()).await;
    assert_eq!(
        output(ended),
        json!(7),
        "what was printed is exactly the limit"
    );
    assert_eq!(
        end(&only(&copies, number(501), limits.clone()).await),
        OUTPUT_LIMIT
    );
    let text = |characters: usize| json!({"text": "a".repeat(characters)});
    let ended = only(&copies, text(498), limits.clone()).await;
    assert_eq!(end(&ended), None, "with its quotes exactly the limit");
    assert_eq!(end(&only(&copies, text(499), limits).await), OUTPUT_LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_output_files() {
    let pixels = tool("pixels").await;
    let picture = json!({"rows": "#.#.#\n.#.#.\n"});
    let whole = output(only(&pixels, picture.clone(), Limits::default()).await);
    let bytes = whole.to_string().len() as u64;
    let limits = |output_bytes| Limits {
        output_bytes,
        ..Limits::default()
    };
    let ended = only(&pixels, picture.clone(), limits(bytes)).await;
    assert_eq!(output(ended), whole);
    for too_few in [bytes - 1, bytes / 2, 20, 13] {
        let ended = only(&pixels, picture.clone(), limits(too_few)).await;
        assert_eq!(end(&ended), OUTPUT_LIMIT, "{too_few} of {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_logs() {
    let packed = packed(&guests::copies_to_stderr(), guests::TEXT_IS_STDIN);
    let copies = load(runtime(), &packed).await;
    let line = "a".repeat(255) + "\n";
    let lowered = Limits {
        log_lines: 3,
        log_bytes: 20,
        ..Limits::default()
    };
    let defaults = Limits::default();
    let cases = [
        (
            "1,000 lines",
            "x\n".repeat(1000),
            &defaults,
            1000,
            1000,
            false,
        ),
        (
            "a line more",
            "x\n".repeat(1001),
            &defaults,
            1000,
            1000,
            true,
        ),
        (
            "no line end",
            "x\n".repeat(1000) + "y",
            &defaults,
            1000,
            1000,
            true,
        ),
        (
            "256 KiB in one",
            "a".repeat(256 << 10),
            &defaults,
            1,
            256 << 10,
            false,
        ),
        (
            "a byte more",
            "a".repeat((256 << 10) + 1),
            &defaults,
            1,
            256 << 10,
            true,
        ),
        (
            "many lines of many bytes",
            line.repeat(900),
            &defaults,
            900,
            255 * 900,
            false,
        ),
        ("three lines", "a\nb\nc\n".to_owned(), &lowered, 3, 3, false),
        (
            "four lines",
            "a\nb\nc\nd\n".to_owned(),
            &lowered,
            3,
            3,
            true,
        ),
        ("twenty bytes", "a".repeat(20), &lowered, 1, 20, false),
        ("twenty-one bytes", "a".repeat(21), &lowered, 1, 20, true),
    ];
    for (label, text, limits, lines, bytes, is_cut) in cases {
        let written = text.len() as u64;
        let outcome = only(&copies, json!({ "text": text }), limits.clone())
            .await
            .expect("it starts");
        assert!(outcome.result.is_ok(), "{label}: a cut log ends no run");
        assert_eq!(outcome.usage.log_bytes, written, "{label}");
        let logs = &outcome.logs;
        assert_eq!(logs.len(), lines, "{label}");
        assert_eq!(
            logs.iter().map(|line| line.text.len()).sum::<usize>(),
            bytes,
            "{label}"
        );
        assert_eq!(logs.last().map(|line| line.cut), Some(is_cut), "{label}");
        let cut = logs.iter().filter(|line| line.cut).count();
        assert_eq!(cut, usize::from(is_cut), "{label}");
        assert!(
            logs.iter().all(|line| line.stream == LogStream::Stderr),
            "{label}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_deep_json_nests() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deep = |depth: usize| (0..depth).fold(json!(7), |inner, _| json!([inner]));
    let takes_any = tool_of(&guests::copies_to_stdout()).await;
    let ended = only(&takes_any, deep(64), Limits::default()).await;
    assert_eq!(output(ended), deep(64));
    for depth in [65, 1000] {
        let refused = only(&takes_any, deep(depth), Limits::default()).await;
        assert!(
            matches!(refused, Err(Refused::InputInvalid(_))),
            "{depth}: {refused:?}"
        );
    }
    let copies = text_to_stdout().await;
    for (depth, kind) in [(64, None), (65, Some(FailureKind::OutputInvalid))] {
        let ended = only(&copies, json!({"text": nested(depth)}), Limits::default()).await;
        assert_eq!(
            end(&ended).map(|(kind, _)| kind),
            kind,
            "output {depth} deep"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_files_are_no_better_than_deep_output() {
    let manifest = guests::TEXT_IS_STDIN.replace("[command]\n", "[command]\noutputs = [\"a\"]\n");
    let writes = guests::command(
        "(call $write (call $open (i32.const 97)) (global.get $input) (call $slurp))",
    );
    let tool = load(runtime(), &packed(&writes, &manifest)).await;
    // In the output they stand two levels further in.
    for (depth, kind) in [(62, None), (65, Some(FailureKind::OutputInvalid))] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        let ended = only(&tool, json!({ "text": text }), Limits::default()).await;
        assert_eq!(
            end(&ended).map(|(kind, _)| kind),
            kind,
            "a file {depth} deep"
        );
    }
}
