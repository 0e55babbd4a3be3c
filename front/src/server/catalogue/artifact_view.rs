//! Artifacts, drafts, verdicts and releases as they are sent.

use crate::server::access::caller::Caller;
use serde::Serialize;
use serde_json::{Value, json};
use tollgate_store::{DescribedArtifact, Draft, Release, ShownRelease, VerdictRecord};
use utoipa::ToSchema;

/// An entry of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArtifactView {
    #[schema(example = "art_06bqk8m0000000000000000000")]
    id: String,
    #[schema(example = "markdown")]
    name: String,
    description: String,
    /// Tokens per successful run.
    price: u64,
    /// Tokens, once.
    subscription_price: u64,
    /// Whether other projects see it.
    listed: bool,
    functions: Vec<FunctionView>,
    credentials: Vec<CredentialView>,
    /// Where its requests may go.
    egress: Vec<String>,
    #[schema(value_type = Vec<Object>)]
    examples: Vec<Value>,
    /// Shown to its own project only.
    #[schema(required)]
    draft: Option<DraftView>,
    #[schema(required)]
    active_release: Option<ReleaseView>,
}

/// A function of a tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FunctionView {
    name: String,
    #[schema(required)]
    description: Option<String>,
    /// JSON Schema.
    #[schema(value_type = Value)]
    input_schema: Value,
    /// JSON Schema.
    #[schema(value_type = Value)]
    output_schema: Value,
}

/// A secret a tool needs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialView {
    name: String,
    description: String,
    hosts: Vec<String>,
    required: bool,
    expose: bool,
}

/// The next release, until it is published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DraftView {
    #[schema(example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    digest: String,
    size_bytes: u64,
    #[schema(required)]
    verdict: Option<VerdictView>,
}

/// What the gate says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictView {
    /// `PENDING`, `ADMITTED` or `REJECTED`.
    #[schema(example = "ADMITTED")]
    status: String,
    #[schema(value_type = Vec<ViolationView>)]
    violations: Value,
    #[schema(value_type = Vec<ViolationView>)]
    notes: Value,
}

/// One reason against a tool, an input or a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViolationView {
    code: String,
    message: String,
    #[schema(value_type = Option<Object>)]
    place: Option<Value>,
}

/// A published tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReleaseView {
    #[schema(example = "rel_06bqk8m0000000000000000000")]
    id: String,
    #[schema(example = "1.0.0")]
    version: String,
    digest: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// Whether it is the one that runs.
    active: bool,
    /// What it asks of subscribers beyond the release that was active before it.
    #[schema(value_type = Vec<crate::terms::Widening>)]
    widens: Value,
}

/// An artifact as a caller sees it: its draft is its own project's.
pub(crate) fn artifact(described: &DescribedArtifact, caller: &Caller) -> ArtifactView {
    let DescribedArtifact {
        artifact,
        about,
        widens,
    } = described;
    let draft = artifact.draft.as_ref();
    let draft = draft.filter(|_| artifact.owner == caller.owner());
    // Without a release, the description is the draft's.
    let is_seen = artifact.active.is_some() || draft.is_some();
    let about = about.as_ref().filter(|_| is_seen).unwrap_or(&Value::Null);
    let list = |name: &str| about[name].as_array().into_iter().flatten();
    let active_release = artifact.active.as_deref().map(|active| {
        let widens = widens.as_ref().unwrap_or(&Value::Null);
        release(active, widens)
    });
    ArtifactView {
        id: artifact.id.to_string(),
        name: artifact.name.clone(),
        description: text(&about["description"]),
        price: about["price"].as_u64().unwrap_or(0),
        subscription_price: about["subscription_price"].as_u64().unwrap_or(0),
        listed: artifact.listed,
        functions: list("functions").map(function).collect(),
        credentials: list("credentials").map(credential).collect(),
        egress: texts(&about["egress"]),
        examples: list("examples").cloned().collect(),
        draft: draft.map(self::draft),
        active_release,
    }
}

fn function(about: &Value) -> FunctionView {
    FunctionView {
        name: text(&about["name"]),
        description: about["description"].as_str().map(str::to_owned),
        input_schema: about["input_schema"].clone(),
        output_schema: about["output_schema"].clone(),
    }
}

fn credential(about: &Value) -> CredentialView {
    CredentialView {
        name: text(&about["name"]),
        description: text(&about["description"]),
        hosts: texts(&about["hosts"]),
        required: about["required"].as_bool().unwrap_or(true),
        expose: about["expose"].as_bool().unwrap_or(false),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("").to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

pub(crate) fn draft(draft: &Draft) -> DraftView {
    DraftView {
        digest: draft.digest.to_string(),
        size_bytes: draft.size_bytes,
        verdict: draft.verdict.as_ref().map(verdict),
    }
}

pub(crate) fn verdict(verdict: &VerdictRecord) -> VerdictView {
    VerdictView {
        status: verdict.status.name().to_owned(),
        violations: verdict.violations.clone(),
        notes: verdict.notes.clone(),
    }
}

/// A verdict that was just asked for.
pub(crate) fn pending() -> VerdictView {
    VerdictView {
        status: tollgate_store::VerdictStatus::Pending.name().to_owned(),
        violations: json!([]),
        notes: json!([]),
    }
}

pub(crate) fn shown_release(shown: &ShownRelease) -> ReleaseView {
    release(&shown.release, &shown.widens)
}

fn release(release: &Release, widens: &Value) -> ReleaseView {
    ReleaseView {
        id: release.id.to_string(),
        version: release.version.clone(),
        digest: release.digest.to_string(),
        created_at: release.created_at.to_string(),
        active: release.active,
        widens: widens.clone(),
    }
}

/// The hosts a release declares for a credential, where it declares the credential.
pub(crate) fn declared_hosts(release: &Release, name: &str) -> Option<Vec<String>> {
    let declared = release
        .terms
        .credentials
        .iter()
        .find(|it| it.name == name)?;
    Some(declared.hosts.clone())
}
