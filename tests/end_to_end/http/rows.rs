//! The contract's catalogue, word for word: what every answer that is not good is compared with.

use serde_json::Value;
use tollgate_tests::server::Answer;

/// A row: the sentence is exact, and so is the rest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    status: u16,
    code: &'static str,
    act: &'static str,
    is_retryable: bool,
    detail: &'static str,
}

impl Row {
    const fn new(status: u16, code: &'static str, act: &'static str, detail: &'static str) -> Self {
        Self {
            status,
            code,
            act,
            is_retryable: false,
            detail,
        }
    }

    const fn retryable(self) -> Self {
        Self {
            is_retryable: true,
            ..self
        }
    }

    /// Gives the body of an answer that is this row. The label is shown where it is not.
    pub(super) fn is(&self, label: &str, answer: Answer) -> Value {
        println!("{label}: {} {} expected", self.status, self.code);
        let body = answer.expect_problem(self.status, self.code, self.detail);
        assert_eq!(body["act"], self.act, "{label}: {body}");
        assert_eq!(body["retryable"], self.is_retryable, "{label}: {body}");
        body
    }

    /// The same where the reason is a violation of that code.
    pub(super) fn is_for(&self, violation: &str, label: &str, answer: Answer) -> Value {
        let body = self.is(label, answer);
        let codes = violations(&body);
        assert!(codes.contains(&violation), "{label}: {body}");
        assert_eq!(body["violations_total"], codes.len(), "{label}: {body}");
        body
    }
}

/// The codes of an answer's violations, each of which says something.
pub(super) fn violations(body: &Value) -> Vec<&str> {
    let violations = body["violations"].as_array().map_or(&[][..], Vec::as_slice);
    for violation in violations {
        assert!(
            violation["message"]
                .as_str()
                .is_some_and(|it| !it.is_empty()),
            "{violation}"
        );
    }
    violations
        .iter()
        .filter_map(|violation| violation["code"].as_str())
        .collect()
}

macro_rules! rows {
    ($($name:ident $status:literal $code:literal $act:literal $detail:literal;)*) => {
        $(pub(super) const $name: Row = Row::new($status, $code, $act, $detail);)*
    };
}

rows! {
    BAD_REQUEST 400 "bad_request" "caller" "Invalid parameters or request body";
    NOT_VALIDATED 400 "not_validated" "seller" "Tool has not passed validation";
    AUTHORIZATION_MISSING 401 "authorization_missing" "caller" "Missing authorization header";
    KEY_INVALID 401 "key_invalid" "caller" "Invalid API key";
    TOKEN_EXPIRED 401 "token_expired" "caller" "Token expired";
    BUDGET_EXHAUSTED 402 "budget_exhausted" "caller" "Budget exhausted";
    PRICE_ABOVE_MAX 402 "price_above_max" "caller" "Price above the caller's maximum";
    FORBIDDEN 403 "forbidden" "caller" "You don't have permission to access this resource";
    NOT_SUBSCRIBED 403 "not_subscribed" "caller" "No active subscription";
    NOT_LISTED 403 "not_listed" "seller" "Artifact not listed";
    ARTIFACT_NOT_FOUND 404 "artifact_not_found" "caller" "Artifact not found";
    DRAFT_NOT_FOUND 404 "draft_not_found" "caller" "Draft not found";
    RELEASE_NOT_FOUND 404 "release_not_found" "caller" "Release not found";
    RUN_NOT_FOUND 404 "run_not_found" "caller" "Run not found";
    SESSION_NOT_FOUND 404 "session_not_found" "caller" "Session not found";
    SUBSCRIPTION_NOT_FOUND 404 "subscription_not_found" "caller" "Subscription not found";
    KEY_NOT_FOUND 404 "key_not_found" "caller" "Key not found";
    ROUTE_NOT_FOUND 404 "route_not_found" "caller" "Not Found";
    METHOD_NOT_ALLOWED 405 "method_not_allowed" "caller" "Method Not Allowed";
    DRAFT_EXISTS 409 "draft_exists" "caller" "Artifact already has a draft";
    ARTIFACT_EXISTS 409 "artifact_exists" "caller" "Artifact already exists";
    VERSION_EXISTS 409 "version_exists" "seller" "Version already released";
    ALREADY_SUBSCRIBED 409 "already_subscribed" "caller" "Already subscribed";
    NO_ACTIVE_RELEASE 409 "no_active_release" "seller" "No active release";
    COVER_MISSING 409 "cover_missing" "seller" "Cover not generated";
    RUN_NOT_RUNNING 409 "run_not_running" "caller" "Run is not in RUNNING status";
    RUN_CANCELLED 409 "run_cancelled" "caller" "Run was cancelled";
    SUSPENDED 409 "suspended" "platform" "Suspended by the platform";
    TERMS_CHANGED 409 "terms_changed" "caller" "Terms have changed";
    IDEMPOTENCY_CONFLICT 409 "idempotency_conflict" "caller" "Idempotency key reused with another request";
    FILE_TOO_LARGE 413 "file_too_large" "caller" "File too large";
    INPUT_INVALID 422 "input_invalid" "caller" "Input does not match the tool's schema";
    UNPROCESSABLE 422 "unprocessable" "caller" "Request is well-formed but contains semantic errors";
    CREDENTIALS_MISSING 428 "credentials_missing" "caller" "Tool requires credentials not yet configured";
    TOOL_FAILED 502 "tool_failed" "seller" "Tool execution failed";
}

pub(super) const REQUEST_TIMEOUT: Row =
    Row::new(408, "request_timeout", "caller", "Request Timeout").retryable();
pub(super) const TOOL_TIMED_OUT: Row =
    Row::new(504, "tool_timed_out", "seller", "Tool execution timed out").retryable();
pub(super) const AT_CAPACITY: Row =
    Row::new(503, "at_capacity", "platform", "Server is at capacity").retryable();
pub(super) const RATE_LIMITED: Row =
    Row::new(429, "rate_limited", "caller", "Rate limit exceeded").retryable();
