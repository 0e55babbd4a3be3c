//! The catalogue: one row for every way an answer is not good.

use axum::http::StatusCode;
use serde::Serialize;
use tollgate_runtime::{FailureKind, Refused};

/// Why an answer is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    BadRequest,
    NotValidated,
    AuthorizationMissing,
    KeyInvalid,
    TokenExpired,
    BalanceInsufficient,
    BudgetExhausted,
    PriceAboveMax,
    Forbidden,
    NotSubscribed,
    NotListed,
    ArtifactNotFound,
    DraftNotFound,
    ReleaseNotFound,
    RunNotFound,
    SessionNotFound,
    SubscriptionNotFound,
    KeyNotFound,
    RouteNotFound,
    MethodNotAllowed,
    RequestTimeout,
    DraftExists,
    ArtifactExists,
    VersionExists,
    AlreadySubscribed,
    NoActiveRelease,
    CoverMissing,
    RunNotRunning,
    RunCancelled,
    Suspended,
    TermsChanged,
    IdempotencyConflict,
    FileTooLarge,
    InputInvalid,
    Unprocessable,
    CredentialsMissing,
    RateLimited,
    Internal,
    ToolFailed,
    AtCapacity,
    ToolTimedOut,
}

/// What is the same for every answer of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// The exact sentence.
    pub(crate) detail: &'static str,
    /// The sentence's name, for programs.
    pub(crate) code: &'static str,
    /// Who must act.
    pub(crate) act: Act,
    /// Whether the same request may succeed later without anybody else acting.
    pub(crate) retryable: bool,
    /// What a stranger does next, where that can be said without knowing the request.
    pub(crate) hint: Option<&'static str>,
}

/// Who can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// Whoever sent the request.
    Caller,
    /// Whoever offers the tool.
    Seller,
    /// Whoever runs this server.
    Platform,
}

impl Row {
    const fn new(status: StatusCode, code: &'static str, act: Act, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            code,
            act,
            retryable: false,
            hint: None,
        }
    }

    const fn caller(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self::new(status, code, Act::Caller, detail)
    }

    const fn seller(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self::new(status, code, Act::Seller, detail)
    }

    const fn platform(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self::new(status, code, Act::Platform, detail)
    }

    const fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

impl Kind {
    /// Every kind, in the catalogue's order.
    pub(crate) const ALL: &[Kind] = &[
        Kind::BadRequest,
        Kind::NotValidated,
        Kind::AuthorizationMissing,
        Kind::KeyInvalid,
        Kind::TokenExpired,
        Kind::BalanceInsufficient,
        Kind::BudgetExhausted,
        Kind::PriceAboveMax,
        Kind::Forbidden,
        Kind::NotSubscribed,
        Kind::NotListed,
        Kind::ArtifactNotFound,
        Kind::DraftNotFound,
        Kind::ReleaseNotFound,
        Kind::RunNotFound,
        Kind::SessionNotFound,
        Kind::SubscriptionNotFound,
        Kind::KeyNotFound,
        Kind::RouteNotFound,
        Kind::MethodNotAllowed,
        Kind::RequestTimeout,
        Kind::DraftExists,
        Kind::ArtifactExists,
        Kind::VersionExists,
        Kind::AlreadySubscribed,
        Kind::NoActiveRelease,
        Kind::CoverMissing,
        Kind::RunNotRunning,
        Kind::RunCancelled,
        Kind::Suspended,
        Kind::TermsChanged,
        Kind::IdempotencyConflict,
        Kind::FileTooLarge,
        Kind::InputInvalid,
        Kind::Unprocessable,
        Kind::CredentialsMissing,
        Kind::RateLimited,
        Kind::Internal,
        Kind::ToolFailed,
        Kind::AtCapacity,
        Kind::ToolTimedOut,
    ];

    /// The kind's row. Left as it is by the formatter, to be read as a table.
    #[rustfmt::skip]
    pub(crate) const fn row(self) -> Row {
        use StatusCode as S;
        match self {
            Kind::BadRequest => Row::caller(S::BAD_REQUEST, "bad_request", "Invalid parameters or request body")
                .hint("`violations` says what is wrong and where; `GET /openapi.json` describes every call."),
            Kind::NotValidated => Row::seller(S::BAD_REQUEST, "not_validated", "Tool has not passed validation")
                .hint("`violations` says why, as `GET /v1/artifacts/{id}/draft/validation` and `tollgate validate` do; while the verdict is `PENDING` try again."),
            Kind::AuthorizationMissing => Row::caller(S::UNAUTHORIZED, "authorization_missing", "Missing authorization header")
                .hint("Send your key as `x-api-key: tg_…` or as `Authorization: Bearer tg_…`."),
            Kind::KeyInvalid => Row::caller(S::UNAUTHORIZED, "key_invalid", "Invalid API key")
                .hint("Keys begin with `tg_`, session tokens with `eyJ`; one that was revoked or rotated out is no longer taken, and `POST /v1/keys` with a key that is makes another."),
            Kind::TokenExpired => Row::caller(S::UNAUTHORIZED, "token_expired", "Token expired")
                .hint("The session's `ttl_s` is over, and its runs stay with its project: whoever made it makes another with `POST /v1/sessions`."),
            Kind::BalanceInsufficient => Row::caller(S::PAYMENT_REQUIRED, "balance_insufficient", "Insufficient token balance. Required: {required}, available: {available}")
                .hint("Nothing was started or charged: `GET /v1/wallet` shows what your org has and what is held for its runs; the operator credits tokens."),
            Kind::BudgetExhausted => Row::caller(S::PAYMENT_REQUIRED, "budget_exhausted", "Budget exhausted")
                .hint("Nothing was started or charged: the price would pass a cap of your project or key until `resets_at`; `GET /v1/budgets` shows them, `PUT` changes one."),
            Kind::PriceAboveMax => Row::caller(S::PAYMENT_REQUIRED, "price_above_max", "Price above the caller's maximum")
                .hint("Nothing was started or charged: the tool's `price` is above the request's `max_price`; `GET /v1/artifacts/{id}` shows it."),
            Kind::Forbidden => Row::caller(S::FORBIDDEN, "forbidden", "You don't have permission to access this resource")
                .hint("This key's scopes do not cover the call; `POST /v1/keys` with a `manage` key makes one whose `scopes` do."),
            Kind::NotSubscribed => Row::caller(S::FORBIDDEN, "not_subscribed", "No active subscription")
                .hint("`POST /v1/subscriptions` `{\"artifact_id\"}` with a `manage` key subscribes your project."),
            Kind::NotListed => Row::seller(S::FORBIDDEN, "not_listed", "Artifact not listed")
                .hint("Its seller has taken it off the catalogue and can put it back with `PATCH /v1/artifacts/{id}` `{\"listed\": true}`."),
            Kind::ArtifactNotFound => Row::caller(S::NOT_FOUND, "artifact_not_found", "Artifact not found")
                .hint("No artifact of that id is visible to this key: ids begin with `art_`; `GET /v1/artifacts?mine=true` lists your own, `GET /v1/artifacts` all that are listed."),
            Kind::DraftNotFound => Row::caller(S::NOT_FOUND, "draft_not_found", "Draft not found")
                .hint("The artifact has no draft, since publishing uses it up: `POST /v1/artifacts/{id}/draft` uploads one."),
            Kind::ReleaseNotFound => Row::caller(S::NOT_FOUND, "release_not_found", "Release not found")
                .hint("Ids of releases begin with `rel_`; `GET /v1/artifacts/{id}/releases` lists them."),
            Kind::RunNotFound => Row::caller(S::NOT_FOUND, "run_not_found", "Run not found")
                .hint("Ids of runs begin with `run_`; `GET /v1/runs` lists those of your project that are still kept."),
            Kind::SessionNotFound => Row::caller(S::NOT_FOUND, "session_not_found", "Session not found")
                .hint("Ids of sessions begin with `ses_` and are in the answer that made them, beside the token; they are kept as long as records of runs."),
            Kind::SubscriptionNotFound => Row::caller(S::NOT_FOUND, "subscription_not_found", "Subscription not found")
                .hint("Ids of subscriptions begin with `sub_`; `GET /v1/subscriptions` lists those of your project, and one that has ended is only listed."),
            Kind::KeyNotFound => Row::caller(S::NOT_FOUND, "key_not_found", "Key not found")
                .hint("Ids of keys begin with `key_` and are not the keys themselves; `GET /v1/keys` lists those of your project."),
            Kind::RouteNotFound => Row::caller(S::NOT_FOUND, "route_not_found", "Not Found")
                .hint("There is no such path; `GET /openapi.json` lists every one."),
            Kind::MethodNotAllowed => Row::caller(S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
                .hint("The path is there for other methods: the `Allow` header names them."),
            Kind::RequestTimeout => Row::caller(S::REQUEST_TIMEOUT, "request_timeout", "Request Timeout").retryable()
                .hint("The request's body did not arrive in time; send it again."),
            Kind::DraftExists => Row::caller(S::CONFLICT, "draft_exists", "Artifact already has a draft")
                .hint("Publish it with `POST /v1/artifacts/{id}/publish`, or first remove it with `DELETE /v1/artifacts/{id}/draft`."),
            Kind::ArtifactExists => Row::caller(S::CONFLICT, "artifact_exists", "Artifact already exists")
                .hint("Your project has an artifact of that name: upload its next version with `POST /v1/artifacts/{artifact_id}/draft`, or choose another `name` in tool.toml."),
            Kind::VersionExists => Row::seller(S::CONFLICT, "version_exists", "Version already released")
                .hint("A version is released once: raise `version` in tool.toml, pack it and upload it as a new draft."),
            Kind::AlreadySubscribed => Row::caller(S::CONFLICT, "already_subscribed", "Already subscribed")
                .hint("Your project has a subscription to this artifact: `GET /v1/subscriptions` shows it, and `POST …/{id}/accept` takes new terms."),
            Kind::NoActiveRelease => Row::seller(S::CONFLICT, "no_active_release", "No active release")
                .hint("`POST /v1/artifacts/{id}/publish` makes the draft the active release; a rollback needs a release from before."),
            Kind::CoverMissing => Row::seller(S::CONFLICT, "cover_missing", "Cover not generated")
                .hint("Make one with `POST /v1/artifacts/{id}/cover`, or publish with `{\"generate_cover\": true}`."),
            Kind::RunNotRunning => Row::caller(S::CONFLICT, "run_not_running", "Run is not in RUNNING status")
                .hint("The run is over, and `GET /v1/runs/{run_id}` says how: it takes no more spans and cannot be cancelled."),
            Kind::RunCancelled => Row::caller(S::CONFLICT, "run_cancelled", "Run was cancelled")
                .hint("Somebody of your project cancelled it with `POST /v1/runs/{run_id}/cancel`; nothing was charged."),
            Kind::Suspended => Row::platform(S::CONFLICT, "suspended", "Suspended by the platform")
                .hint("The operator has stopped this artifact, org or key; nothing is lost, and whoever runs this server can let it go on."),
            Kind::TermsChanged => Row::caller(S::CONFLICT, "terms_changed", "Terms have changed")
                .hint("Read the terms of the active release in `GET /v1/artifacts/{id}`, and send its id as `release_id` if you agree to them."),
            Kind::IdempotencyConflict => Row::caller(S::CONFLICT, "idempotency_conflict", "Idempotency key reused with another request")
                .hint("Within 24 hours a key belongs to one body: send another `Idempotency-Key`, or the very body of the first request."),
            Kind::FileTooLarge => Row::caller(S::PAYLOAD_TOO_LARGE, "file_too_large", "File too large")
                .hint("A tool has at most 20 MiB (20,971,520 bytes): strip its debug sections, build it for size; other bodies have smaller limits."),
            Kind::InputInvalid => Row::caller(S::UNPROCESSABLE_ENTITY, "input_invalid", "Input does not match the tool's schema")
                .hint("`violations` says where; `GET /v1/artifacts/{id}` shows the `input_schema` of every function."),
            Kind::Unprocessable => Row::caller(S::UNPROCESSABLE_ENTITY, "unprocessable", "Request is well-formed but contains semantic errors")
                .hint("`violations` says what is wrong and where; `GET /openapi.json` describes every call."),
            Kind::CredentialsMissing => Row::caller(S::PRECONDITION_REQUIRED, "credentials_missing", "Tool requires credentials not yet configured")
                .hint("Set each with `PUT /v1/environment/{NAME}` `{\"value\", \"artifact_id\"}`; `hosts` and `allow_expose` say where it may go."),
            Kind::RateLimited => Row::caller(S::TOO_MANY_REQUESTS, "rate_limited", "Rate limit exceeded").retryable()
                .hint("`RateLimit-Policy` says how much may be sent; send the request again after `retry_after_s` seconds."),
            Kind::Internal => Row::platform(S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our end").retryable()
                .hint("Try again; if it stays so, the `request_id` finds the cause in the server's log."),
            Kind::ToolFailed => Row::seller(S::BAD_GATEWAY, "tool_failed", "Tool execution failed")
                .hint("`failure` says how the tool ended; nothing was charged, and the same input may well end the same."),
            Kind::AtCapacity => Row::platform(S::SERVICE_UNAVAILABLE, "at_capacity", "Server is at capacity").retryable()
                .hint("Nothing was started or charged: send the request again after `retry_after_s` seconds."),
            Kind::ToolTimedOut => Row::seller(S::GATEWAY_TIMEOUT, "tool_timed_out", "Tool execution timed out").retryable()
                .hint("Nothing was charged; the tool was not done within its limit, which `timeout_ms` only shortens."),
        }
    }
}

impl From<FailureKind> for Kind {
    fn from(failure: FailureKind) -> Self {
        match failure {
            FailureKind::Timeout => Kind::ToolTimedOut,
            FailureKind::Internal => Kind::Internal,
            FailureKind::Trap
            | FailureKind::Exit
            | FailureKind::Error
            | FailureKind::Abi
            | FailureKind::MemoryLimit
            | FailureKind::HostLimit
            | FailureKind::OutputLimit
            | FailureKind::OutputInvalid => Kind::ToolFailed,
        }
    }
}

impl From<&Refused> for Kind {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::FunctionUnknown(_) => Kind::Unprocessable,
            Refused::InputInvalid(_) => Kind::InputInvalid,
            Refused::CredentialsMissing(_) => Kind::CredentialsMissing,
            Refused::AtCapacity => Kind::AtCapacity,
            Refused::Internal => Kind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use std::collections::HashSet;

    /// The contract's catalogue: status, code, who must act, whether to try again, sentence.
    const CATALOGUE: &str = include_str!("catalogue.txt");

    #[test]
    fn every_kind_is_as_the_contract_has_it() {
        let rows: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| {
                let row = kind.row();
                let act = format!("{:?}", row.act).to_lowercase();
                let retry = if row.retryable { "retry" } else { "final" };
                let status = row.status.as_u16();
                format!("{status} {} {act} {retry} {}", row.code, row.detail)
            })
            .collect();
        let contract: Vec<&str> = CATALOGUE.lines().collect();
        assert_eq!(rows, contract);
    }

    #[test]
    fn every_kind_is_listed_once_and_says_what_to_do() {
        let kinds: HashSet<Kind> = Kind::ALL.iter().copied().collect();
        assert_eq!(kinds.len(), Kind::ToolTimedOut as usize + 1);
        assert_eq!(kinds.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let hint = kind.row().hint.unwrap_or_default();
            assert!(hint.ends_with('.') && hint.len() < 250, "{kind:?}: {hint}");
        }
    }
}
