//! How a run ended.

pub(crate) mod classify;
pub(crate) mod output;
pub(crate) mod profile;
pub mod source;

use crate::run::outcome::profile::Profile;
use crate::usage::Usage;
use crate::value::Json;
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;
use std::time::SystemTime;
use tollgate_host_api::budget::{BudgetExhausted, Lease};
use tollgate_host_api::egress::MISDIRECTED;
use tollgate_host_api::logs::LogLine;
use tollgate_host_api::spans::{Attribute, Span};

/// The end of a run, with what it used and what it said.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The output, or why there is none.
    pub result: Result<Json, Failure>,
    /// What it used.
    pub usage: Usage,
    /// When its guest started, by the machine's clock.
    pub started_at: SystemTime,
    /// What it wrote for people.
    pub logs: Vec<LogLine>,
    /// What it asked of other machines.
    pub requests: Vec<Span>,
    /// Where its time went, for a run that asked.
    pub profile: Option<Profile>,
    /// Keeps the text of the output or error counted in the process's memory. Drop it with that text.
    pub room: Room,
}

/// Memory that an output is counted in.
#[derive(Debug, Clone, Default)]
pub struct Room(#[expect(dead_code, reason = "held until it is dropped")] Option<Arc<Lease>>);

impl Room {
    /// Takes room for a text. Fails if the process, or this owner's share of it, has none.
    pub(crate) fn take(mut lease: Lease, text: &str) -> Result<Self, BudgetExhausted> {
        lease.try_grow(text.len() as u64)?;
        Ok(Self(Some(Arc::new(lease))))
    }
}

impl Outcome {
    /// The host failed while it worked for the run.
    pub(crate) fn internal() -> Self {
        let message = "the host failed while it worked for the run";
        Self {
            result: Err(Failure::new(FailureKind::Internal, message)),
            usage: Usage::default(),
            started_at: SystemTime::now(),
            logs: Vec::new(),
            requests: Vec::new(),
            profile: None,
            room: Room::default(),
        }
    }

    /// The text of the output, or of the tool's own error.
    pub(crate) fn text(&self) -> &str {
        let json = self
            .result
            .as_ref()
            .map_or_else(|it| it.error.as_ref(), Some);
        json.map_or("", Json::text)
    }

    /// Credentials that were on their way to where they may not go, each with the request that was refused for it.
    pub fn misdirected(&self) -> impl Iterator<Item = (&str, &Span)> {
        self.requests.iter().filter_map(|request| {
            let mut attributes = request.attributes.iter();
            attributes.find_map(|(name, value)| match (*name, value) {
                (MISDIRECTED, Attribute::Text(credential)) => Some((credential.as_str(), request)),
                _ => None,
            })
        })
    }

    /// In one word.
    pub fn status(&self) -> Status {
        match &self.result {
            Ok(_) => Status::Succeeded,
            Err(failure) if failure.kind == FailureKind::Timeout => Status::TimedOut,
            Err(_) => Status::Failed,
        }
    }
}

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// There is an output.
    Succeeded,
    /// The tool failed.
    Failed,
    /// The tool was not done within its limit.
    TimedOut,
}

/// Why a run has no output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failure {
    /// What kind of end.
    pub kind: FailureKind,
    /// For people. What the tool chose of it is bounded and without control characters.
    pub message: String,
    /// The engine's own code of a trap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trap: Option<String>,
    /// A command's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// What a typed function returned as `err`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Json>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'static str>,
    /// Where the tool was, innermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<Frame>,
    /// Panic text and the last lines of standard error: for the tool's owner, or where the caller shares it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<String>,
}

impl Failure {
    /// A failure of which nothing more is known.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            trap: None,
            exit_code: None,
            error: None,
            limit: None,
            backtrace: Vec::new(),
            diagnostics: None,
        }
    }

    pub(crate) fn limit(
        kind: FailureKind,
        limit: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(kind, message)
        }
    }
}

/// The kinds of failure, decided by type, never by text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Unreachable, out of bounds, stack overflow, division by zero, …
    Trap,
    /// A command ended non-zero.
    Exit,
    /// A typed function returned `err`.
    Error,
    /// The guest broke the calling convention, or passed more in one call than a call may.
    Abi,
    /// Growth refused and not survived.
    MemoryLimit,
    /// Too many handles or the like.
    HostLimit,
    /// Too much output.
    OutputLimit,
    /// Not UTF-8, or not what the interface or the manifest promises.
    OutputInvalid,
    /// Not done within its limit.
    Timeout,
    /// The host's fault.
    Internal,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Trap,
        Self::Exit,
        Self::Error,
        Self::Abi,
        Self::MemoryLimit,
        Self::HostLimit,
        Self::OutputLimit,
        Self::OutputInvalid,
        Self::Timeout,
        Self::Internal,
    ];

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind's name as it stands in answers and records.
    pub fn name(self) -> &'static str {
        match self {
            FailureKind::Trap => "trap",
            FailureKind::Exit => "exit",
            FailureKind::Error => "error",
            FailureKind::Abi => "abi",
            FailureKind::MemoryLimit => "memory_limit",
            FailureKind::HostLimit => "host_limit",
            FailureKind::OutputLimit => "output_limit",
            FailureKind::OutputInvalid => "output_invalid",
            FailureKind::Timeout => "timeout",
            FailureKind::Internal => "internal",
        }
    }
}

impl Serialize for FailureKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One call of a backtrace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Byte offset in the tool's file.
    pub offset: u64,
    /// The function's name, where the tool kept its names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Source file, once resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}
