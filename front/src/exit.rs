//! How the program ends: one code for each kind of end.

use crate::terminal;
use std::process::ExitCode;
use tollgate_runtime::{FailureKind, Outcome, Refused};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It did what it was asked.
    Good,
    /// The tool failed, or the gate rejected it.
    ToolFailed,
    /// What was added up does not fit.
    Differs,
    /// The run was refused before anything ran, or the server refuses to publish.
    Refused,
    /// The run was not done in time.
    TimedOut,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The host failed, or had no room.
    OurFault,
}

/// Usage, unreadable files, servers that cannot be reached, and our own faults. Clap uses the same for wrong options.
const USAGE: u8 = 2;

impl End {
    pub(crate) fn code(self) -> u8 {
        match self {
            End::Good => 0,
            End::ToolFailed | End::Differs => 1,
            End::Refused => 3,
            End::TimedOut => 124,
            End::Interrupted => 130,
            End::OurFault => USAGE,
        }
    }
}

impl From<&Outcome> for End {
    fn from(outcome: &Outcome) -> Self {
        match &outcome.result {
            Ok(_) => End::Good,
            Err(failure) => match failure.kind {
                FailureKind::Timeout => End::TimedOut,
                FailureKind::Internal => End::OurFault,
                FailureKind::Trap
                | FailureKind::Exit
                | FailureKind::Error
                | FailureKind::Abi
                | FailureKind::MemoryLimit
                | FailureKind::HostLimit
                | FailureKind::OutputLimit
                | FailureKind::OutputInvalid => End::ToolFailed,
            },
        }
    }
}

impl From<&Refused> for End {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::FunctionUnknown(_)
            | Refused::InputInvalid(_)
            | Refused::CredentialsMissing(_) => End::Refused,
            Refused::AtCapacity | Refused::Internal => End::OurFault,
        }
    }
}

/// Says what went wrong before the tool could be judged or run.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    terminal::error(&format!("{error:#}"));
    ExitCode::from(USAGE)
}

/// The work's output, or nothing where Ctrl-C came first. What was under way is dropped.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    tokio::select! {
        output = work => Ok(Some(output)),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).map_err(Into::into),
    }
}
