//! From an error out of the guest to the kind of end it is: by type, in one place.
//!
//! Not every fault of a guest is a trap. Broken calling conventions and calls that pass too much arrive as plain
//! errors, so whatever is not known to be the host's doing is the guest's.

use crate::run::outcome::{Failure, FailureKind, Frame};
use crate::violation::quoted;
use std::time::Duration;
use tollgate_host_api::budget::BudgetExhausted;
use tollgate_host_api::limit::{HostFault, LimitExceeded};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// The guest was still running when its time was up.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the run's time is up")]
pub(crate) struct DeadlinePassed;

/// How a guest came to its end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It called `exit`.
    Exit(u32),
    /// It failed.
    Failed(Failure),
    /// The process had no more to give: nobody's failure.
    AtCapacity,
}

/// What the end is judged by beside the error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// The limit that refused a growth, if one did.
    pub(crate) refused: Option<&'static str>,
    pub(crate) is_past_deadline: bool,
    pub(crate) timeout: Duration,
}

pub(crate) fn classify(error: &wasmtime::Error, circumstances: Circumstances) -> Ended {
    if error.is::<BudgetExhausted>() || error.is::<PoolConcurrencyLimitError>() {
        return Ended::AtCapacity;
    }
    if circumstances.is_past_deadline || error.is::<DeadlinePassed>() {
        return Ended::Failed(Failure {
            backtrace: backtrace(error),
            ..timed_out(circumstances.timeout)
        });
    }
    if let Some(code) = tollgate_host_api::limit::exit_code(error) {
        return Ended::Exit(code);
    }
    Ended::Failed(Failure {
        backtrace: backtrace(error),
        ..failure(error, circumstances)
    })
}

pub(crate) fn timed_out(timeout: Duration) -> Failure {
    Failure::new(
        FailureKind::Timeout,
        format!("the tool was not done within {timeout:?}"),
    )
}

fn failure(error: &wasmtime::Error, circumstances: Circumstances) -> Failure {
    if let Some(LimitExceeded { limit }) = error.downcast_ref() {
        let kind = if *limit == "output" {
            FailureKind::OutputLimit
        } else {
            FailureKind::HostLimit
        };
        return Failure::limit(
            kind,
            limit,
            format!("the tool went past its limit on {limit}"),
        );
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Failure::limit(
            FailureKind::HostLimit,
            "handles",
            "the tool opened too many handles",
        );
    }
    if error.is::<HostFault>() {
        return Failure::new(FailureKind::Internal, "the host failed to make /scratch");
    }
    if error.is::<wasmtime::error::OutOfMemory>() {
        return Failure::new(FailureKind::Internal, "the host is out of memory");
    }
    let trap = error.downcast_ref::<Trap>();
    if let Some(limit) = circumstances.refused
        && !trap.is_some_and(|trap| is_of_its_own_making(*trap))
    {
        let message = format!("the tool was refused more {limit} and did not survive it");
        return Failure::limit(FailureKind::MemoryLimit, limit, message);
    }
    match trap {
        Some(trap) if !is_broken_convention(*trap) => {
            let message = trap.to_string();
            let message = message
                .strip_prefix("wasm trap: ")
                .unwrap_or(&message)
                .to_owned();
            Failure {
                trap: Some(trap_code(*trap)),
                ..Failure::new(FailureKind::Trap, message)
            }
        }
        _ => Failure::new(FailureKind::Abi, quoted(&error.root_cause().to_string())),
    }
}

/// Traps that no refused growth leads to: a guest that survived the refusal and then divides by zero divided by zero.
fn is_of_its_own_making(trap: Trap) -> bool {
    matches!(
        trap,
        Trap::IntegerDivisionByZero
            | Trap::IntegerOverflow
            | Trap::BadConversionToInteger
            | Trap::StackOverflow
            | Trap::BadSignature
    )
}

/// Traps by which the engine says that a component's values or calls were not what they must be.
fn is_broken_convention(trap: Trap) -> bool {
    matches!(
        trap,
        Trap::CannotEnterComponent
            | Trap::CannotLeaveComponent
            | Trap::InvalidChar
            | Trap::StringOutOfBounds
            | Trap::ListOutOfBounds
            | Trap::InvalidDiscriminant
            | Trap::UnalignedPointer
            | Trap::DebugAssertStringEncodingFinished
            | Trap::DebugAssertEqualCodeUnits
            | Trap::DebugAssertPointerAligned
            | Trap::DebugAssertUpperBitsUnset
    )
}

/// The engine's own name of a trap, as `memory_out_of_bounds`.
fn trap_code(trap: Trap) -> String {
    let mut code = String::new();
    for character in format!("{trap:?}").chars() {
        if character.is_ascii_uppercase() && !code.is_empty() {
            code.push('_');
        }
        code.push(character.to_ascii_lowercase());
    }
    code
}

fn backtrace(error: &wasmtime::Error) -> Vec<Frame> {
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map_or(&[][..], WasmBacktrace::frames);
    frames
        .iter()
        .filter_map(|frame| {
            let offset = frame.module_offset()? as u64;
            let function = frame
                .func_name()
                .map(|name| quoted(&format!("{:#}", rustc_demangle::demangle(name))));
            Some(Frame {
                offset,
                function,
                file: None,
                line: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Circumstances = Circumstances {
        refused: None,
        is_past_deadline: false,
        timeout: Duration::from_secs(1),
    };

    fn kind(error: wasmtime::Error, circumstances: Circumstances) -> FailureKind {
        match classify(&error, circumstances) {
            Ended::Failed(failure) => failure.kind,
            other => panic!("not a failure: {other:?}"),
        }
    }

    #[test]
    fn each_end_by_its_type() {
        let cases: [(wasmtime::Error, FailureKind); 7] = [
            (Trap::UnreachableCodeReached.into(), FailureKind::Trap),
            (Trap::StringOutOfBounds.into(), FailureKind::Abi),
            (wasmtime::Error::msg("anything else"), FailureKind::Abi),
            (
                LimitExceeded { limit: "output" }.into(),
                FailureKind::OutputLimit,
            ),
            (
                LimitExceeded {
                    limit: "directory_streams",
                }
                .into(),
                FailureKind::HostLimit,
            ),
            (ResourceTableError::Full.into(), FailureKind::HostLimit),
            (DeadlinePassed.into(), FailureKind::Timeout),
        ];
        for (error, expected) in cases {
            let text = error.to_string();
            assert_eq!(kind(error, QUIET), expected, "{text}");
        }
    }

    #[test]
    fn circumstances_change_what_a_trap_is() {
        let trap = || wasmtime::Error::from(Trap::UnreachableCodeReached);
        let refused = Circumstances {
            refused: Some("memory"),
            ..QUIET
        };
        assert_eq!(
            kind(Trap::IntegerDivisionByZero.into(), refused),
            FailureKind::Trap
        );
        assert_eq!(
            kind(
                trap(),
                Circumstances {
                    refused: Some("memory"),
                    ..QUIET
                }
            ),
            FailureKind::MemoryLimit
        );
        assert_eq!(
            kind(
                trap(),
                Circumstances {
                    is_past_deadline: true,
                    ..QUIET
                }
            ),
            FailureKind::Timeout
        );
    }

    #[test]
    fn an_exhausted_process_is_nobody_s_failure() {
        let error = BudgetExhausted { budget: "scratch" }.into();
        assert!(matches!(classify(&error, QUIET), Ended::AtCapacity));
    }

    #[test]
    fn trap_codes_are_the_engine_s_names() {
        assert_eq!(trap_code(Trap::MemoryOutOfBounds), "memory_out_of_bounds");
        assert_eq!(
            trap_code(Trap::IntegerDivisionByZero),
            "integer_division_by_zero"
        );
    }
}
