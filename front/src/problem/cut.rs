//! A body stays under its size, whatever a tool or a caller put into it.

use super::Problem;
use serde_json::Value;

/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// Calls of a backtrace that are kept while anything else can be cut.
const FRAMES_KEPT: usize = 10;

impl Problem {
    /// The body as it is sent. What makes it too long is cut from its end: calls, then words, then violations.
    pub(crate) fn body(mut self) -> Value {
        loop {
            let body = serde_json::to_value(&self).unwrap_or_default();
            if body.to_string().len() < BODY_BYTES_MAX || !self.shorten() {
                return body;
            }
        }
    }

    /// Whether there was something to cut.
    fn shorten(&mut self) -> bool {
        let failure = self.failure.as_mut().and_then(Value::as_object_mut);
        if let Some(failure) = failure {
            if let Some(Value::Array(frames)) = failure.get_mut("backtrace")
                && frames.len() > FRAMES_KEPT
            {
                frames.truncate((frames.len() / 2).max(FRAMES_KEPT));
                return true;
            }
            if let Some(Value::String(text)) = failure.get_mut("diagnostics")
                && !text.is_empty()
            {
                text.drain(..text.ceil_char_boundary(text.len().div_ceil(2)));
                return true;
            }
            if failure.remove("error").is_some() {
                return true;
            }
            if let Some(Value::Array(frames)) = failure.get_mut("backtrace")
                && frames.pop().is_some()
            {
                return true;
            }
        }
        let was_listed = self.violations.pop().is_some() || self.missing.pop().is_some();
        was_listed || self.failure.take().is_some()
    }
}

/// The most bytes of a tool's own error in a body.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// A tool's own error as a body has it: whole if its text is short, or else the beginning of its text.
pub(crate) fn brief_error(text: &str) -> Value {
    if text.len() > ERROR_BYTES_MAX {
        let end = text.floor_char_boundary(ERROR_BYTES_MAX / 2);
        return Value::String(format!("{}…", &text[..end]));
    }
    serde_json::from_str(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Problem};
    use super::BODY_BYTES_MAX;
    use serde_json::{Value, json};
    use tollgate_runtime::{Missing, MissingReason, Violation};

    fn sent(problem: Problem) -> Value {
        let body = problem.body();
        let bytes = body.to_string().len();
        assert!(bytes < BODY_BYTES_MAX, "{bytes} bytes: {body}");
        body
    }

    #[test]
    fn a_tool_that_says_much_is_cut() {
        let frames: Vec<_> = (0..500)
            .map(|offset| json!({"offset": offset, "function": "f".repeat(100)}))
            .collect();
        let failure = json!({"kind": "error", "message": "no", "error": "\u{1}".repeat(100_000),
            "backtrace": frames, "diagnostics": "ü".repeat(50_000)});
        let body = sent(Problem::of(Kind::ToolFailed).with_failure(failure));
        assert_eq!(body["failure"]["kind"], "error");
        assert!(body["failure"]["backtrace"][9].is_object(), "{body}");
        let whole = json!({"kind": "error", "message": "no", "error": "x".repeat(4000)});
        let body = sent(Problem::of(Kind::ToolFailed).with_failure(whole));
        assert_eq!(body["failure"]["error"].as_str().map(str::len), Some(4000));
    }

    #[test]
    fn a_failure_of_any_other_shape_is_left_out_when_it_is_too_long() {
        let failure = json!({"kind": "error", "message": "x".repeat(100_000)});
        assert_eq!(
            sent(Problem::of(Kind::ToolFailed).with_failure(failure)).get("failure"),
            None
        );
    }

    #[test]
    fn violations_are_cut_and_counted() {
        let violation = Violation::new("type_mismatch", "m".repeat(700));
        let body = sent(Problem::of(Kind::InputInvalid).with_violations(vec![violation; 300]));
        assert_eq!(body["violations_total"], 300);
        let shown = body["violations"].as_array().map(Vec::len);
        assert!(shown.is_some_and(|shown| (5..20).contains(&shown)));
        let recorded = vec![json!({"code": "import_unknown", "message": "m"}); 21];
        let body = sent(Problem::of(Kind::NotValidated).with_recorded_violations(recorded));
        assert_eq!(body["violations"].as_array().map(Vec::len), Some(20));
    }

    #[test]
    fn missing_credentials_are_cut() {
        let missing = Missing {
            name: "N".repeat(100),
            reason: MissingReason::Absent,
            hosts: vec!["h".repeat(200); 4],
        };
        let body = sent(Problem::of(Kind::CredentialsMissing).with_missing(vec![missing; 50]));
        assert!(body["missing"][0].is_object());
    }

    #[test]
    fn what_does_not_apply_is_left_out() {
        let body = sent(Problem::of(Kind::RouteNotFound).with_hint("h"));
        let expected = json!({"detail": "Not Found", "code": "route_not_found", "act": "caller",
            "retryable": false, "hint": "h"});
        assert_eq!(body, expected);
        let body = sent(
            Problem::of(Kind::AtCapacity)
                .with_run("run_1")
                .with_charged(0),
        );
        assert_eq!(body["retry_after_s"], 1);
        assert_eq!(body["run_id"], "run_1");
        assert_eq!(body["charged"], 0);
    }
}
