//! Every answer that is not good: its exact sentence, its code, and who must act.

use serde::Serialize;
use serde_json::Value;
use tollgate_runtime::{Failure, FailureKind, Missing, Refused, Violation};

/// The violations shown of a longer list.
const VIOLATIONS_SHOWN: usize = 20;
/// The most bytes of a body.
const BODY_BYTES_MAX: usize = 8 * 1024;
/// The most bytes of a tool's own error in a body.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// An error body.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    pub(crate) detail: &'static str,
    code: &'static str,
    act: Act,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) violations: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violations_total: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

/// Who can do something about it.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Act {
    Caller,
    Seller,
    Platform,
}

impl Problem {
    fn new(detail: &'static str, code: &'static str, act: Act, retryable: bool) -> Self {
        Self {
            detail,
            code,
            act,
            retryable,
            charged: None,
            violations: Vec::new(),
            violations_total: None,
            missing: Vec::new(),
            failure: None,
        }
    }

    fn violations(mut self, mut violations: Vec<Violation>) -> Self {
        self.violations_total = Some(violations.len());
        violations.truncate(VIOLATIONS_SHOWN);
        self.violations = violations;
        self
    }

    /// The input is no JSON.
    pub(crate) fn malformed(violation: Violation) -> Self {
        Self::new(
            "Invalid parameters or request body",
            "bad_request",
            Act::Caller,
            false,
        )
        .violations(vec![violation])
    }

    /// The gate said no.
    pub(crate) fn not_validated(violations: Vec<Violation>) -> Self {
        Self::new(
            "Tool has not passed validation",
            "not_validated",
            Act::Seller,
            false,
        )
        .violations(violations)
    }

    /// The run ended without an output.
    pub(crate) fn failed(failure: Failure) -> Self {
        let problem = match failure.kind {
            FailureKind::Timeout => Self::new(
                "Tool execution timed out",
                "tool_timed_out",
                Act::Seller,
                true,
            ),
            FailureKind::Internal => Self::internal(),
            FailureKind::Trap
            | FailureKind::Exit
            | FailureKind::Error
            | FailureKind::Abi
            | FailureKind::MemoryLimit
            | FailureKind::HostLimit
            | FailureKind::OutputLimit
            | FailureKind::OutputInvalid => {
                Self::new("Tool execution failed", "tool_failed", Act::Seller, false)
            }
        };
        Self {
            charged: Some(0),
            failure: Some(failure),
            ..problem
        }
    }

    /// The body as it is sent. What makes it too long is cut from its end: calls, then words, then violations.
    pub(crate) fn body(mut self) -> Value {
        if let Some(failure) = &mut self.failure {
            failure.error = failure.error.take().map(cut_error);
        }
        loop {
            let body = serde_json::to_value(&self).unwrap_or_default();
            let excess = body.to_string().len().saturating_sub(BODY_BYTES_MAX - 1);
            if excess == 0 || !self.shorten() {
                return body;
            }
        }
    }

    fn shorten(&mut self) -> bool {
        if let Some(failure) = &mut self.failure {
            if failure.backtrace.len() > 10 {
                failure.backtrace.truncate(failure.backtrace.len() / 2);
                return true;
            }
            if let Some(text) = &mut failure.diagnostics
                && !text.is_empty()
            {
                text.drain(..text.ceil_char_boundary(text.len() / 2));
                return true;
            }
            if failure.error.take().is_some() || failure.backtrace.pop().is_some() {
                return true;
            }
        }
        self.violations.pop().is_some() || self.missing.pop().is_some()
    }

    fn internal() -> Self {
        Self::new(
            "Something went wrong on our end",
            "internal",
            Act::Platform,
            true,
        )
    }
}

/// The error whole, or the beginning of its text.
fn cut_error(error: Value) -> Value {
    let text = error.to_string();
    if text.len() <= ERROR_BYTES_MAX {
        return error;
    }
    let end = text.floor_char_boundary(ERROR_BYTES_MAX / 2);
    Value::String(format!("{}…", &text[..end]))
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::FunctionUnknown(violation) => {
                let detail = "Request is well-formed but contains semantic errors";
                Self::new(detail, "unprocessable", Act::Caller, false).violations(vec![violation])
            }
            Refused::InputInvalid(violations) => {
                let detail = "Input does not match the tool's schema";
                Self::new(detail, "input_invalid", Act::Caller, false).violations(violations)
            }
            Refused::CredentialsMissing(missing) => {
                let detail = "Tool requires credentials not yet configured";
                Self {
                    missing,
                    ..Self::new(detail, "credentials_missing", Act::Caller, false)
                }
            }
            Refused::AtCapacity => {
                Self::new("Server is at capacity", "at_capacity", Act::Platform, true)
            }
            Refused::Internal => Self::internal(),
        }
    }
}
