//! How the program ends: one code for each kind of end.

use crate::terminal;
use std::io;
use std::process::ExitCode;
use std::sync::OnceLock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
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

/// The work's output, or nothing where Ctrl-C came first, also before there was this work. What was under way is
/// dropped.
pub(crate) async fn interruptible<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    let mut interrupted = interrupted()?;
    tokio::select! {
        output = work => Ok(Some(output)),
        _ = interrupted.wait_for(|it| *it) => Ok(None),
    }
}

/// Whether Ctrl-C was pressed since this was first asked: between two works nobody waits for it, and it counts.
fn interrupted() -> io::Result<watch::Receiver<bool>> {
    static INTERRUPTED: OnceLock<watch::Receiver<bool>> = OnceLock::new();
    if let Some(interrupted) = INTERRUPTED.get() {
        return Ok(interrupted.clone());
    }
    let mut signals = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            sender.send_replace(true);
        }
    });
    Ok(INTERRUPTED.get_or_init(|| receiver).clone())
}
