//! From what a guest gave back to the run's output, or to why there is none.

use crate::limits::{DEPTH_MAX, Limits};
use crate::run::outcome::{Failure, FailureKind};
use crate::value::json_bytes;
use crate::value::strict::{self, Malformed};
use crate::value::{Json, OutputRefused, Shape, Type, encode};
use crate::violation::quoted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::Path;
use wasmtime::component::Val;

/// The output of a typed function. Of a `result` at the top `ok` is the output and `err` a failure.
pub(crate) fn typed_output(
    ty: Option<&Type>,
    value: Option<Val>,
    limits: &Limits,
) -> Result<Json, Failure> {
    let bytes_max = limits.output_bytes;
    let Some(ty) = ty else {
        return Ok(Value::Null.into());
    };
    match (&ty.shape, value) {
        (Shape::Result { ok, .. }, Some(Val::Result(Ok(value)))) => {
            side(ok.as_deref(), value.as_deref(), bytes_max)
        }
        (Shape::Result { err, .. }, Some(Val::Result(Err(value)))) => {
            let error = side(err.as_deref(), value.as_deref(), bytes_max)?;
            Err(Failure {
                error: Some(error),
                ..Failure::new(FailureKind::Error, "the tool returned an error")
            })
        }
        (_, Some(value)) => side(Some(ty), Some(&value), bytes_max),
        (_, None) => Err(mismatch()),
    }
}

fn side(ty: Option<&Type>, value: Option<&Val>, bytes_max: u64) -> Result<Json, Failure> {
    match (ty, value) {
        (Some(ty), Some(value)) => within(
            encode(ty, value, bytes_max).map_err(refused(bytes_max))?,
            bytes_max,
        ),
        (None, None) => Ok(Value::Null.into()),
        _ => Err(mismatch()),
    }
}

fn refused(bytes_max: u64) -> impl Fn(OutputRefused) -> Failure {
    move |refused| match refused {
        OutputRefused::TooLarge => too_large(bytes_max),
        OutputRefused::Mismatch => mismatch(),
    }
}

/// The text of the output, if it is short enough.
fn within(output: Value, bytes_max: u64) -> Result<Json, Failure> {
    if json_bytes(&output) > bytes_max {
        Err(too_large(bytes_max))
    } else {
        Ok(output.into())
    }
}

fn too_large(bytes_max: u64) -> Failure {
    Failure::limit(
        FailureKind::OutputLimit,
        "output",
        format!("the output is larger than {bytes_max} bytes"),
    )
}

fn mismatch() -> Failure {
    Failure::new(
        FailureKind::OutputInvalid,
        "the output is not what the interface promises",
    )
}

/// The output of a command: standard output, and the files its manifest promises.
pub(crate) fn command_output(
    stdout: &[u8],
    files: Option<Vec<(String, Vec<u8>)>>,
    bytes_max: u64,
) -> Result<Json, Failure> {
    let Some(files) = files else {
        return within(text_output(stdout)?, bytes_max);
    };
    let mut object = Map::new();
    for (name, bytes) in files {
        let content = match text_output(&bytes) {
            Err(failure) if std::str::from_utf8(&bytes).is_ok() => return Err(failure),
            Err(_) => json!({"base64": STANDARD.encode(&bytes)}),
            Ok(content) => content,
        };
        object.insert(name, content);
    }
    let stdout = match std::str::from_utf8(stdout) {
        Ok(_) => text_output(stdout)?,
        Err(_) => json!({"base64": STANDARD.encode(stdout)}),
    };
    within(json!({"stdout": stdout, "files": object}), bytes_max)
}

/// JSON if it parses, else a string.
fn text_output(bytes: &[u8]) -> Result<Value, Failure> {
    let invalid = |message: String| Failure::new(FailureKind::OutputInvalid, message);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        invalid(format!(
            "the output is not UTF-8 (byte {})",
            error.valid_up_to()
        ))
    })?;
    match strict::parse(bytes) {
        Ok(json) => Ok(json),
        Err(Malformed::TooDeep) => Err(invalid(format!(
            "the output is JSON nested deeper than {DEPTH_MAX} levels"
        ))),
        Err(Malformed::DuplicateKey(_) | Malformed::Syntax(_)) => {
            Ok(Value::String(text.to_owned()))
        }
    }
}

pub(crate) fn missing_file(name: &str) -> Failure {
    let message = format!("the command left no file `{}`", quoted(name));
    Failure::new(FailureKind::OutputInvalid, message)
}

/// Reads the promised files, of at most `room` bytes together.
pub(crate) fn collect_files(
    root: &Path,
    names: &[String],
    room: u64,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut left = room;
    let mut files = Vec::new();
    for name in names {
        let path = root.join(name);
        let metadata = std::fs::symlink_metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file);
        let missing = || missing_file(name);
        let length = metadata.ok_or_else(missing)?.len();
        left = left.checked_sub(length).ok_or_else(|| too_large(room))?;
        files.push((name.clone(), std::fs::read(&path).map_err(|_| missing())?));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_is_json_if_it_parses_else_a_string() {
        let output = |bytes: &[u8]| {
            let output = command_output(bytes, None, 100);
            output
                .map(|json| json.value())
                .map_err(|failure| failure.kind)
        };
        assert_eq!(output(b"{\"a\": 1}\n"), Ok(json!({"a": 1})));
        assert_eq!(output(b"hello\n"), Ok(json!("hello\n")));
        assert_eq!(output(b""), Ok(json!("")));
        assert_eq!(output(b"{\"a\":1,\"a\":2}"), Ok(json!("{\"a\":1,\"a\":2}")));
        assert_eq!(output(b"\xff"), Err(FailureKind::OutputInvalid));
        assert_eq!(
            output("[".repeat(90).as_bytes()),
            Err(FailureKind::OutputInvalid)
        );
        assert_eq!(
            output(&[b'x'; 98]),
            Ok(json!("x".repeat(98))),
            "with its quotes exactly the limit"
        );
        assert_eq!(output(&[b'x'; 99]), Err(FailureKind::OutputLimit));
    }

    #[test]
    fn promised_files_are_collected_and_a_missing_one_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("a.json"), "[1]").expect("a file");
        std::fs::write(root.path().join("b.bin"), [0xff, 0]).expect("a file");
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let files = collect_files(root.path(), &names(&["a.json", "b.bin"]), 5)
            .expect("both, exactly the room");
        let output = command_output(b"done", Some(files), 1000).expect("an output");
        assert_eq!(
            output,
            json!({"stdout": "done", "files": {"a.json": [1], "b.bin": {"base64": "/wA="}}})
        );
        let missing = collect_files(root.path(), &names(&["c"]), 5).expect_err("missing");
        assert!(missing.kind == FailureKind::OutputInvalid && missing.message.contains("`c`"));
        let large =
            collect_files(root.path(), &names(&["a.json", "b.bin"]), 4).expect_err("too large");
        assert_eq!(large.kind, FailureKind::OutputLimit);
    }
}
