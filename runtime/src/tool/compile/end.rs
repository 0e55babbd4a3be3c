//! How a compilation ends, and what is said of it.

use super::request::CompileLimits;
use crate::violation::{Violation, quoted};
use rustix::process::Signal;
use std::process::ExitStatus;

/// How a compile child that came to an end of its own says which: its exit code. What stands on its standard error
/// is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ChildEnd {
    Done = 0,
    /// The engine refused the tool, in its own words.
    Refused = 40,
    /// The compiler panicked.
    Panicked = 41,
    /// The engine could not have the memory it asked for.
    OutOfMemory = 42,
    /// It could not do its work: limits not set, input not read, output not written, another engine.
    Unable = 43,
}

const ENDS: [ChildEnd; 5] = [
    ChildEnd::Done,
    ChildEnd::Refused,
    ChildEnd::Panicked,
    ChildEnd::OutOfMemory,
    ChildEnd::Unable,
];

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CompileFailure {
    /// The tool does not compile, in the engine's words.
    Refused(String),
    /// The compiler itself fell over the tool.
    Crashed,
    /// The tool takes more than a compilation may.
    Budget(Spent, CompileLimits),
    /// Nothing can be said of the tool.
    CouldNotRun(String),
}

/// What a compilation took too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    Time,
    Cpu,
    Memory,
    Code,
}

/// What a child's end means. `is_overdue`: we killed it because its time was over.
pub(super) fn failure(
    status: ExitStatus,
    is_overdue: bool,
    said: &str,
    limits: &CompileLimits,
) -> Option<CompileFailure> {
    use std::os::unix::process::ExitStatusExt;
    let budget = |spent| Some(CompileFailure::Budget(spent, limits.clone()));
    let could_not = |why: String| Some(CompileFailure::CouldNotRun(why));
    if let Some(signal) = status.signal() {
        return match Signal::from_named_raw(signal) {
            Some(Signal::KILL) if is_overdue => budget(Spent::Time),
            Some(Signal::XCPU) => budget(Spent::Cpu),
            Some(Signal::XFSZ) => budget(Spent::Code),
            // A child's panics are caught and its stacks are large: what is left to abort for is an allocation that
            // failed.
            Some(Signal::ABORT) => budget(Spent::Memory),
            Some(
                Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE | Signal::TRAP | Signal::SYS,
            ) => Some(CompileFailure::Crashed),
            // Somebody else ended it, the kernel without memory among them: that says nothing of the tool.
            _ => could_not(format!("it was ended by signal {signal}")),
        };
    }
    let code = status.code();
    let end = ENDS.into_iter().find(|end| code == Some(*end as i32));
    match end {
        Some(ChildEnd::Done) => None,
        Some(ChildEnd::Refused) => Some(CompileFailure::Refused(said.to_owned())),
        Some(ChildEnd::Panicked) => Some(CompileFailure::Crashed),
        Some(ChildEnd::OutOfMemory) => budget(Spent::Memory),
        Some(ChildEnd::Unable) => could_not(said.to_owned()),
        None => could_not(format!("it ended with {status}")),
    }
}

impl CompileFailure {
    /// What a seller is told. A check that could not be run to its end admits nothing, and is not the tool's fault.
    pub(crate) fn violation(&self) -> Violation {
        match self {
            CompileFailure::Refused(said) => {
                let message = format!("the tool does not compile: {}", quoted(said));
                Violation::new("compile_failed", message).in_section("code")
            }
            CompileFailure::Crashed => {
                let message = "the compiler crashed on the tool; build it with other optimisation settings, or leave \
                     parts out to find what it falls over";
                Violation::new("compile_failed", message).in_section("code")
            }
            CompileFailure::Budget(spent, limits) => over_budget(*spent, limits),
            CompileFailure::CouldNotRun(why) => {
                let message = format!(
                    "a check could not be run to its end; the file is not admitted. The compiler could not do its \
                     work: {}",
                    quoted(why)
                );
                Violation::new("check_failed", message)
            }
        }
    }
}

fn over_budget(spent: Spent, limits: &CompileLimits) -> Violation {
    const MIB: u64 = 1 << 20;
    const SMALLER: &str = "split large functions, leave out what is not used, or build for size (`opt-level = \"s\"`)";
    let message = match spent {
        Spent::Time => format!(
            "compiling the tool took longer than {} s; {SMALLER}, or ask for validation again when the machine is less \
             busy",
            limits.time.as_secs_f64()
        ),
        Spent::Cpu => format!(
            "compiling the tool takes more than {} s of processor time; {SMALLER}",
            limits.cpu.as_secs_f64()
        ),
        Spent::Memory => format!(
            "compiling the tool takes more than {} MiB of memory; {SMALLER}",
            limits.address_space_bytes / MIB
        ),
        Spent::Code => format!(
            "the tool has more than {} MiB of native code; {SMALLER}",
            limits.code_bytes / MIB
        ),
    };
    Violation::new("compile_budget", message).in_section("code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn every_end_of_a_child_is_told_by_its_status() {
        const SIGNALS: [(i32, bool, &str, &str); 9] = [
            (libc_signal(Signal::KILL), true, "compile_budget", "120 s"),
            (libc_signal(Signal::KILL), false, "check_failed", "signal 9"),
            (libc_signal(Signal::XCPU), false, "compile_budget", "60 s"),
            (
                libc_signal(Signal::XFSZ),
                false,
                "compile_budget",
                "256 MiB",
            ),
            (
                libc_signal(Signal::ABORT),
                false,
                "compile_budget",
                "2048 MiB",
            ),
            (
                libc_signal(Signal::SEGV),
                false,
                "compile_failed",
                "crashed",
            ),
            (libc_signal(Signal::ILL), false, "compile_failed", "crashed"),
            (
                libc_signal(Signal::TERM),
                false,
                "check_failed",
                "signal 15",
            ),
            (libc_signal(Signal::HUP), false, "check_failed", "signal 1"),
        ];
        let limits = CompileLimits::default();
        let told = |status, is_overdue| {
            let failure = failure(status, is_overdue, "words", &limits)?;
            Some(failure.violation())
        };
        for (signal, is_overdue, code, part) in SIGNALS {
            let found = told(ExitStatus::from_raw(signal), is_overdue).expect("a failure");
            assert_eq!(found.code, code, "{signal}: {found}");
            assert!(found.message.contains(part), "{signal}: {found}");
        }
        let codes = [
            (ChildEnd::Refused as i32, "compile_failed", "words"),
            (ChildEnd::Panicked as i32, "compile_failed", "crashed"),
            (ChildEnd::OutOfMemory as i32, "compile_budget", "memory"),
            (ChildEnd::Unable as i32, "check_failed", "words"),
            (1, "check_failed", "exit status: 1"),
            (101, "check_failed", "exit status: 101"),
        ];
        for (code, expected, part) in codes {
            let found = told(ExitStatus::from_raw(code << 8), true).expect("a failure");
            assert_eq!(found.code, expected, "{code}: {found}");
            assert!(found.message.contains(part), "{code}: {found}");
        }
        assert_eq!(told(ExitStatus::from_raw(0), true), None);
    }

    const fn libc_signal(signal: Signal) -> i32 {
        signal.as_raw()
    }
}
