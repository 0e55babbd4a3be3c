//! Every type of WIT, both ways: what goes in comes out, and what does not belong in is refused where it stands.

mod agreement;
mod refused;
mod strategies;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use std::sync::LazyLock;
use strategies::{Pair, Pairs};
use tollgate_runtime::value::is_equal;
use tollgate_runtime::{Outcome, Refused, Run, Tool};

const CASES: u32 = 64;

struct Roundtrip {
    tokio: tokio::runtime::Runtime,
    tool: Tool,
}

/// The tool that returns its argument, loaded once a process.
static ROUNDTRIP: LazyLock<Roundtrip> = LazyLock::new(|| {
    let tokio = tokio::runtime::Runtime::new().expect("a runtime");
    let tool = tokio.block_on(tollgate_tests::tool("roundtrip"));
    Roundtrip { tokio, tool }
});

fn run(function: &str, input: Value) -> Result<Outcome, Refused> {
    ROUNDTRIP
        .tokio
        .block_on(ROUNDTRIP.tool.run(Run::new(function, input)))
}

struct Schemas {
    input: jsonschema::Validator,
    output: jsonschema::Validator,
}

fn schemas(function: &str) -> Schemas {
    let interface = ROUNDTRIP.tool.interface();
    let function = interface
        .function(Some(function))
        .expect("a function of the tool");
    let compile = |schema: &Value| jsonschema::validator_for(schema).expect("a JSON Schema");
    Schemas {
        input: compile(&function.input_schema()),
        output: compile(&function.output_schema()),
    }
}

/// How the function ends that is given `pair.given` and returns its argument.
fn check(
    function: &str,
    schemas: &Schemas,
    input: Value,
    pair: &Pair,
) -> Result<(), TestCaseError> {
    let fail = |message: String| Err(TestCaseError::fail(format!("{function}: {message}")));
    if !schemas.input.is_valid(&input) {
        return fail(format!("its schema does not describe the input {input}"));
    }
    let output = match run(function, input.clone()).map(|outcome| outcome.result) {
        Ok(Ok(output)) => output.value(),
        other => return fail(format!("{input} ended {other:?}")),
    };
    if !schemas.output.is_valid(&output) {
        return fail(format!("its schema does not describe the output {output}"));
    }
    if !is_equal(&output, &pair.echoed) {
        return fail(format!("{input} became {output}, not {}", pair.echoed));
    }
    Ok(())
}

fn hold(function: &str, pairs: &Pairs) {
    let schemas = schemas(function);
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let checked = TestRunner::new(config).run(pairs, |pair| {
        check(function, &schemas, json!({"value": pair.given}), &pair)
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}

#[test]
fn of_every_type_come_out_as_they_went_in() {
    let table = strategies::table();
    for (function, pairs) in &table {
        hold(function, pairs);
    }
    let names = ROUNDTRIP.tool.interface().functions().iter();
    let left: Vec<_> = names
        .map(|function| function.name.as_str())
        .filter(|name| !table.iter().any(|(function, _)| function == name))
        .collect();
    let elsewhere = [
        "result-both",
        "result-ok",
        "result-err",
        "result-none",
        "nothing",
        "echo-seventeen",
    ];
    assert_eq!(left, elsewhere, "a function without a strategy");
}

#[test]
fn of_an_option_may_be_left_out() {
    for function in ["echo-option", "echo-option-option", "echo-option-list"] {
        let pair = Pair {
            given: Value::Null,
            echoed: Value::Null,
        };
        check(function, &schemas(function), json!({}), &pair).expect("null");
    }
}

#[test]
fn of_a_result_at_the_top_are_output_or_failure() {
    let cases = [
        ("result-both", json!({"ok": 7}), Ok(json!(7))),
        ("result-both", json!({"err": "no"}), Err(json!("no"))),
        ("result-ok", json!({"ok": 7}), Ok(json!(7))),
        ("result-ok", json!({"err": null}), Err(json!(null))),
        ("result-err", json!({"ok": null}), Ok(json!(null))),
        ("result-err", json!({"err": "no"}), Err(json!("no"))),
        ("result-none", json!({"ok": null}), Ok(json!(null))),
        ("result-none", json!({"err": null}), Err(json!(null))),
    ];
    for (function, value, expected) in cases {
        let schemas = schemas(function);
        let input = json!({ "value": value });
        assert!(schemas.input.is_valid(&input), "{function}: {input}");
        let result = run(function, input).expect("it starts").result;
        match (result, expected) {
            (Ok(output), Ok(expected)) => {
                assert_eq!(output, expected, "{function}");
                let is_valid = schemas.output.is_valid(&output.value());
                assert!(is_valid, "{function}: {output}");
            }
            (Err(failure), Err(expected)) => {
                assert_eq!(failure.kind.name(), "error", "{function}");
                assert_eq!(failure.error, Some(expected.into()), "{function}");
            }
            (result, expected) => panic!("{function}: {result:?}, not {expected:?}"),
        }
    }
}

#[test]
fn of_no_and_of_many_parameters() {
    let ended = run("nothing", json!({})).expect("it starts");
    assert_eq!(ended.result, Ok(json!(null).into()));
    let letters: Vec<String> = ('a'..='p').map(String::from).collect();
    let mut input: serde_json::Map<_, _> = letters
        .iter()
        .zip(240..)
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    input.insert("q".to_owned(), json!("last"));
    let ended = run("echo-seventeen", Value::Object(input)).expect("it starts");
    assert_eq!(
        ended.result,
        Ok(json!(["8PHy8/T19vf4+fr7/P3+/w==", "last"]).into())
    );
}
