//! The next thing to try after a failure, for the tool's owner.

use tollgate_runtime::{Failure, FailureKind, Limits};

const MIB: u64 = 1 << 20;

/// In one sentence. `limits` are the run's.
pub(crate) fn next_step(failure: &Failure, limits: &Limits) -> String {
    match failure.kind {
        FailureKind::Trap => trap(failure),
        FailureKind::Exit => "the program says why on standard error, above; try it with the same arguments and input where you built it".to_owned(),
        FailureKind::Error => "the tool means it: callers are told the same, and not charged; an example with `failure = \"error\"` promises it".to_owned(),
        FailureKind::Abi => "build it anew with current tools (wit-bindgen, componentize-js, componentize-py): what they generate does not fit together".to_owned(),
        FailureKind::MemoryLimit => match limits.memory_bytes < Limits::default().memory_bytes {
            true => format!("tool.toml gives it {} MiB: raise `[limits] memory`, to at most {} MiB, or hold less at once", limits.memory_bytes / MIB, Limits::default().memory_bytes / MIB),
            false => format!("a run has at most {} MiB: read and write in parts, free what is done with", limits.memory_bytes / MIB),
        },
        FailureKind::HostLimit => format!("close files, streams and requests once they are done with: {} are open at most", limits.handles),
        FailureKind::OutputLimit => format!("give back less than {} KiB, or a part of it at a time (`[limits] output`)", limits.output_bytes / 1024),
        FailureKind::OutputInvalid => "write UTF-8 to standard output, and every file that `[command] outputs` names".to_owned(),
        FailureKind::Timeout => format!("`--profile OUT.json` shows where the time goes, `--spans` what was waited for; it has {:?}", limits.timeout),
        FailureKind::Internal => "this is our fault, not the tool's: please report it with the tool and its input".to_owned(),
    }
}

fn trap(failure: &Failure) -> String {
    let is_python = failure.backtrace.iter().any(|it| {
        let function = it.function.as_deref().unwrap_or_default();
        function.starts_with("_Py") || function.starts_with("Py")
    });
    if is_python {
        return "Python ended itself, most often by an exception, whose traceback is on standard error above; raise `Err` for what callers should be told".to_owned();
    }
    let is_named = failure.backtrace.iter().any(|it| it.function.is_some());
    let has_lines = failure.backtrace.iter().any(|it| it.line.is_some());
    let next = match (has_lines, is_named) {
        (true, _) => "look there",
        (false, true) => {
            "build with line tables to see the line (with Cargo: `debug = \"line-tables-only\"` and no `strip`)"
        }
        (false, false) => "build with names to see the function (with Cargo: no `strip`)",
    };
    match failure.trap.as_deref() {
        Some("stack_overflow") => {
            format!("it calls too deep, 1 MiB of stack is all there is; {next}")
        }
        Some("unreachable_code_reached") => format!(
            "most often a panic or an assertion, whose text is on standard error above; {next}"
        ),
        _ => format!("the code itself did that; {next}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_runtime::Frame;

    #[test]
    fn follows_what_is_known_of_the_failure() {
        let limits = Limits::default();
        let low = Limits {
            memory_bytes: 64 * MIB,
            ..limits.clone()
        };
        let memory = Failure::new(FailureKind::MemoryLimit, "");
        assert!(next_step(&memory, &low).contains("raise `[limits] memory`, to at most 128 MiB"));
        assert!(next_step(&memory, &limits).contains("at most 128 MiB: read"));
        let mut trap = Failure::new(FailureKind::Trap, "");
        assert!(next_step(&trap, &limits).contains("build with names"));
        let frame = |line| Frame {
            offset: 1,
            function: Some("f".to_owned()),
            file: None,
            line,
        };
        trap.backtrace = vec![frame(None)];
        assert!(next_step(&trap, &limits).contains("line tables"));
        let python = Frame {
            function: Some("_PyErr_Print".to_owned()),
            ..frame(None)
        };
        trap.backtrace = vec![python];
        assert!(next_step(&trap, &limits).contains("traceback"));
        trap.backtrace = vec![frame(Some(3))];
        assert!(next_step(&trap, &limits).ends_with("look there"));
    }
}
