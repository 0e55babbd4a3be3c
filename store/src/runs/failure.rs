//! Failures of runs, as their records have them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Why a run has no output. What can be long stays text: parsed, it takes up to forty times as much memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RecordedFailure {
    /// The kind of failure, in one word.
    pub kind: String,
    /// For people.
    pub message: String,
    /// The engine's own code of a trap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trap: Option<String>,
    /// A command's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// The value that a function returned as `err`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<RawValue>>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// A JSON array: where the tool was, innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<Box<RawValue>>,
    /// Panic text and the last lines of standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<String>,
    /// True if parts were not kept, because the org keeps as many bytes as it may.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
}

fn is_false(is: &bool) -> bool {
    !is
}

impl RecordedFailure {
    /// A failure of which nothing more is known.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// The length of its texts.
    pub fn bytes(&self) -> usize {
        let raw = [&self.error, &self.backtrace].into_iter().flatten();
        let raw: usize = raw.map(|it| it.get().len()).sum();
        raw + self.message.len() + self.diagnostics.as_ref().map_or(0, String::len)
    }

    /// The JSON text that is kept.
    pub(crate) fn text(&self) -> String {
        // Its keys are texts, so writing it does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same without what the tool says of it.
    pub(crate) fn short(&self) -> Self {
        Self {
            cut: true,
            ..Self::new(
                self.kind.as_str(),
                self.message.chars().take(1000).collect::<String>(),
            )
        }
    }
}

impl PartialEq for RecordedFailure {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
