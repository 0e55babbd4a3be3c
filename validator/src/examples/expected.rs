//! What an example expects, and how what came differs from it.

use serde_json::Value;
use tollgate_runtime::manifest::Example;
use tollgate_runtime::seller_schema::SellerSchema;
use tollgate_runtime::value::is_equal;
use tollgate_runtime::{Failure, FailureKind, Outcome, pointer_part, quoted};

/// What an example may expect to fail with.
const FAILURES: &[FailureKind] = &[
    FailureKind::Trap,
    FailureKind::Exit,
    FailureKind::Error,
    FailureKind::Abi,
    FailureKind::MemoryLimit,
    FailureKind::HostLimit,
    FailureKind::OutputLimit,
    FailureKind::OutputInvalid,
    FailureKind::Timeout,
];

/// What an example expects.
pub(crate) enum Expected<'e> {
    /// That it succeeds.
    Success,
    Output(&'e Value),
    Schema(SellerSchema),
    Failure(FailureKind),
}

impl<'e> Expected<'e> {
    /// What the manifest says, or the key that is wrong and why.
    pub(crate) fn of(example: &'e Example) -> Result<Self, (&'static str, String)> {
        match (&example.output, &example.output_schema, &example.failure) {
            (None, None, None) => Ok(Self::Success),
            (Some(output), None, None) => Ok(Self::Output(output)),
            (None, Some(schema), None) => SellerSchema::compile(schema.clone())
                .map(Self::Schema)
                .map_err(|reason| ("output_schema", reason)),
            (None, None, Some(failure)) => failure_kind(failure)
                .map(Self::Failure)
                .map_err(|reason| ("failure", reason)),
            _ => {
                let message = "an example expects one of `output`, `output_schema` and `failure`";
                Err(("output", message.to_owned()))
            }
        }
    }

    /// How a run's end differs: the key of the example that it contradicts, with its slash, and in words.
    pub(crate) fn difference(&self, outcome: &Outcome) -> Option<(&'static str, String)> {
        match (self, &outcome.result) {
            (Self::Failure(kind), Err(failure)) if failure.kind == *kind => None,
            (Self::Failure(kind), ended) => {
                let came = match ended {
                    Ok(output) => format!("but it succeeded with {}", shown(&output.value())),
                    Err(failure) => told(failure),
                };
                let message = format!("a failure `{}` was expected, {came}", kind.name());
                Some(("/failure", message))
            }
            (_, Err(failure)) => Some(("", format!("it was to succeed, {}", told(failure)))),
            (Self::Success, Ok(_)) => None,
            (Self::Output(expected), Ok(output)) => {
                let (at, difference) = difference(expected, &output.value())?;
                let at = if at.is_empty() {
                    String::new()
                } else {
                    format!(" at `{}`", quoted(&at))
                };
                Some(("/output", format!("the output differs{at}: {difference}")))
            }
            (Self::Schema(schema), Ok(output)) => {
                let found = schema.judge("the output", &output.value()).err()?;
                let (_, message) = found.into_iter().next()?;
                Some(("/output_schema", message))
            }
        }
    }
}

fn failure_kind(name: &str) -> Result<FailureKind, String> {
    let kind = FAILURES.iter().find(|kind| kind.name() == name);
    kind.copied().ok_or_else(|| {
        let kinds: Vec<_> = FAILURES.iter().map(|kind| kind.name()).collect();
        format!(
            "`{}` is no kind of failure ({})",
            quoted(name),
            kinds.join(", ")
        )
    })
}

fn told(failure: &Failure) -> String {
    let mut told = format!(
        "but it failed ({}): {}",
        failure.kind.name(),
        quoted(&failure.message)
    );
    if let Some(error) = &failure.error {
        told.push_str(&format!(": {}", shown(&error.value())));
    }
    if let Some(said) = failure.diagnostics.as_deref().and_then(telling) {
        told.push_str(&format!(" (it said: {})", quoted(said)));
    }
    told
}

/// The line of what a tool said that says most: a panic's message stands below its place, and hints below that.
fn telling(said: &str) -> Option<&str> {
    let mut lines = said.lines();
    let below = lines
        .find(|line| line.contains("panicked at"))
        .and(lines.next());
    let plain = || {
        said.lines()
            .rfind(|line| !line.trim().is_empty() && !line.starts_with("note:"))
    };
    below.or_else(plain)
}

fn shown(value: &Value) -> String {
    format!("`{}`", quoted(&value.to_string()))
}

/// The first place where two values differ, as a JSON pointer, and how.
fn difference(expected: &Value, got: &Value) -> Option<(String, String)> {
    if is_equal(expected, got) {
        return None;
    }
    let inside = |key: &str, (at, difference): (String, String)| {
        (format!("/{}{at}", pointer_part(key)), difference)
    };
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let missing = expected.iter().find_map(|(key, value)| match got.get(key) {
                Some(got) => difference(value, got).map(|it| inside(key, it)),
                None => Some((
                    String::new(),
                    format!("the field `{}` is missing", quoted(key)),
                )),
            });
            missing.or_else(|| {
                let more = got.keys().find(|key| !expected.contains_key(*key))?;
                let message = format!("there is a field `{}` that was not expected", quoted(more));
                Some((String::new(), message))
            })
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let mut pairs = expected.iter().zip(got).enumerate();
            pairs.find_map(|(index, (expected, got))| {
                difference(expected, got).map(|it| inside(&index.to_string(), it))
            })
        }
        (Value::Array(expected), Value::Array(got)) => {
            let message = format!("{} items were expected, {} came", expected.len(), got.len());
            Some((String::new(), message))
        }
        _ => {
            let message = format!("{} was expected, {} came", shown(expected), shown(got));
            Some((String::new(), message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_panic_its_message_is_told() {
        let panic = "thread 'main' panicked at src/main.rs:1:2:\nno such row\nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(telling(panic), Some("no such row"));
        assert_eq!(telling("warning\nbad file\n\n"), Some("bad file"));
        assert_eq!(telling(""), None);
    }

    #[test]
    fn the_first_difference_has_its_place() {
        let cases = [
            (json!({"a": [1, 2.0]}), json!({"a": [1.0, 2]}), None),
            (
                json!({"a": [1, 2]}),
                json!({"a": [1, 3]}),
                Some(("/a/1", "`2` was expected, `3` came")),
            ),
            (
                json!([1]),
                json!([1, 2]),
                Some(("", "1 items were expected, 2 came")),
            ),
            (
                json!({"a/b": 1}),
                json!({"a/b": "1"}),
                Some(("/a~1b", "`1` was expected, `\"1\"` came")),
            ),
            (
                json!({"a": 1}),
                json!({}),
                Some(("", "the field `a` is missing")),
            ),
            (
                json!({}),
                json!({"b": 1}),
                Some(("", "there is a field `b` that was not expected")),
            ),
            (
                json!(null),
                json!(false),
                Some(("", "`null` was expected, `false` came")),
            ),
        ];
        for (expected, got, found) in cases {
            let found = found.map(|(at, said)| (at.to_owned(), said.to_owned()));
            assert_eq!(difference(&expected, &got), found, "{expected} {got}");
        }
    }
}
