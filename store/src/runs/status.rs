//! The status of a run.

use std::str::FromStr;

/// How a run ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishStatus {
    /// There is an output.
    Succeeded,
    /// There is none.
    Failed,
    /// It was not done within its limit.
    TimedOut,
    /// Its caller cancelled it.
    Cancelled,
}

/// The status in a run's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// The run waits for its turn.
    Queued,
    /// The run is in progress.
    Running,
    /// The run has ended.
    Ended(FinishStatus),
}

/// An unknown status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a run's status")]
pub struct UnknownStatus;

impl FinishStatus {
    /// As in answers and records.
    pub fn name(self) -> &'static str {
        RunStatus::Ended(self).name()
    }
}

impl RunStatus {
    /// All statuses, in the order of a run's life.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Ended(FinishStatus::Succeeded),
        Self::Ended(FinishStatus::Failed),
        Self::Ended(FinishStatus::TimedOut),
        Self::Ended(FinishStatus::Cancelled),
    ];

    /// As in answers and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Ended(FinishStatus::Succeeded) => "SUCCEEDED",
            Self::Ended(FinishStatus::Failed) => "FAILED",
            Self::Ended(FinishStatus::TimedOut) => "TIMED_OUT",
            Self::Ended(FinishStatus::Cancelled) => "CANCELLED",
        }
    }
}

impl FromStr for RunStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        let named = Self::ALL.into_iter().find(|status| status.name() == name);
        named.ok_or(UnknownStatus)
    }
}
