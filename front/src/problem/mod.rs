//! Every answer that is not good: its exact sentence, its code, and who must act.

#![cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the catalogue is whole before every call that answers by it is there"
    )
)]

pub(crate) mod answer;
mod catalogue;
pub(crate) mod cut;
pub(crate) mod quota;
mod unprocessable;

pub(crate) use catalogue::{Act, Kind};
pub(crate) use unprocessable::unprocessable;

use self::cut::brief_error;
use axum::http::HeaderValue;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;
use tollgate_runtime::{Failure, Json, Missing, Refused, Violation};

/// The violations shown of a longer list.
const VIOLATIONS_SHOWN: usize = 20;
/// When to try again where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An error body, and the headers that belong to it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    #[serde(skip)]
    kind: Kind,
    pub(crate) detail: Cow<'static, str>,
    code: &'static str,
    act: Act,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violations_total: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Missing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Value>,
    #[serde(skip)]
    allow: Option<HeaderValue>,
}

/// A violation, as it was found or as a record has it.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Reason {
    Found(Violation),
    Recorded(Value),
}

impl Problem {
    /// What the catalogue says of the kind, and nothing more.
    pub(crate) fn of(kind: Kind) -> Self {
        let row = kind.row();
        let problem = Self {
            kind,
            detail: Cow::Borrowed(row.detail),
            code: row.code,
            act: row.act,
            retryable: row.retryable,
            request_id: None,
            hint: row.hint.map(str::to_owned),
            run_id: None,
            artifact_id: None,
            charged: None,
            retry_after_s: None,
            resets_at: None,
            violations: Vec::new(),
            violations_total: None,
            missing: Vec::new(),
            failure: None,
            allow: None,
        };
        match kind {
            Kind::AtCapacity | Kind::RateLimited => problem.retry_after(RETRY_AFTER),
            _ => problem,
        }
    }

    /// The input is no JSON.
    pub(crate) fn malformed(violation: Violation) -> Self {
        Self::of(Kind::BadRequest).with_violation(violation)
    }

    /// The gate said no.
    pub(crate) fn not_validated(violations: Vec<Violation>) -> Self {
        Self::of(Kind::NotValidated).with_violations(violations)
    }

    /// The org has too little to hold a price.
    pub(crate) fn balance_insufficient(required: u64, available: u64) -> Self {
        let problem = Self::of(Kind::BalanceInsufficient);
        let detail = problem.detail.replace("{required}", &required.to_string());
        let detail = detail.replace("{available}", &available.to_string());
        Self {
            detail: Cow::Owned(detail),
            ..problem
        }
    }

    /// A cap would be passed, which starts again at that time.
    pub(crate) fn budget_exhausted(resets_at: impl Display) -> Self {
        Self {
            resets_at: Some(resets_at.to_string()),
            ..Self::of(Kind::BudgetExhausted)
        }
    }

    /// The run ended without an output, and without a charge.
    pub(crate) fn failed(failure: Failure) -> Self {
        let problem = Self::of(Kind::from(failure.kind)).with_charged(0);
        let error = failure.error.as_ref().map(|it| brief_error(it.text()));
        let failure = Failure {
            error: error.map(Json::from),
            ..failure
        };
        problem.with_failure(serde_json::to_value(failure).unwrap_or_default())
    }

    /// The first of the violations are shown, all are counted.
    pub(crate) fn with_violations(self, violations: Vec<Violation>) -> Self {
        self.with_reasons(violations.into_iter().map(Reason::Found).collect())
    }

    /// The same for violations as a verdict's record has them.
    pub(crate) fn with_recorded_violations(self, violations: Vec<Value>) -> Self {
        self.with_reasons(violations.into_iter().map(Reason::Recorded).collect())
    }

    pub(crate) fn with_violation(self, violation: Violation) -> Self {
        self.with_violations(vec![violation])
    }

    pub(crate) fn with_run(mut self, id: impl Display) -> Self {
        self.run_id = Some(id.to_string());
        self
    }

    pub(crate) fn with_artifact(mut self, id: impl Display) -> Self {
        self.artifact_id = Some(id.to_string());
        self
    }

    pub(crate) fn with_missing(mut self, missing: Vec<Missing>) -> Self {
        self.missing = missing;
        self
    }

    /// Says what to do in place of the catalogue's hint.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Tokens that were charged.
    pub(crate) fn with_charged(mut self, tokens: u64) -> Self {
        self.charged = Some(tokens);
        self
    }

    /// How the run ended, as its record has it.
    pub(crate) fn with_failure(mut self, failure: Value) -> Self {
        self.failure = Some(failure);
        self
    }

    /// Says otherwise than the catalogue: a verdict that is pending, a duplicate of a run that was lost.
    pub(crate) fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// When to try again, in whole seconds, rounded up.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_s = Some(wait.as_millis().div_ceil(1000) as u64);
        self
    }

    /// The methods that the path is there for.
    pub(crate) fn allow(mut self, methods: HeaderValue) -> Self {
        self.allow = Some(methods);
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The violations that were found here and now, the first of them.
    pub(crate) fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter_map(|reason| match reason {
            Reason::Found(violation) => Some(violation),
            Reason::Recorded(_) => None,
        })
    }

    fn with_request(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }

    fn with_reasons(mut self, mut reasons: Vec<Reason>) -> Self {
        self.violations_total = Some(reasons.len());
        reasons.truncate(VIOLATIONS_SHOWN);
        self.violations = reasons;
        self
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let problem = Self::of(Kind::from(&refused));
        match refused {
            Refused::FunctionUnknown(violation) => problem.with_violation(violation),
            Refused::InputInvalid(violations) => problem.with_violations(violations),
            Refused::CredentialsMissing(missing) => problem.with_missing(missing),
            Refused::AtCapacity | Refused::Internal => problem,
        }
    }
}
