//! The next thing to try after a failure, for the tool's owner.

use tollgate_runtime::{Failure, FailureKind, Limits};

const MIB: u64 = 1 << 20;

/// What is known of a run beside its failure.
#[derive(Debug)]
pub(crate) struct Circumstances<'l> {
    /// The run's.
    pub(crate) limits: &'l Limits,
    /// Whether it wrote anything for people.
    pub(crate) has_logs: bool,
    /// Whether it wrote that it panicked, and where.
    pub(crate) has_panicked: bool,
    /// Whether it asked other machines for anything.
    pub(crate) has_asked: bool,
    /// Whether its spans were shown.
    pub(crate) are_spans_shown: bool,
}

/// In one sentence.
pub(crate) fn next_step(failure: &Failure, of: &Circumstances<'_>) -> String {
    let limits = of.limits;
    match failure.kind {
        FailureKind::Trap => trap(failure, of.has_panicked),
        FailureKind::Exit if !of.has_logs => "the program did not say why: standard error is empty; try it with the same arguments and input where you built it".to_owned(),
        FailureKind::Exit => "the program says why on standard error, above; try it with the same arguments and input where you built it".to_owned(),
        FailureKind::Error if of.has_asked && !of.are_spans_shown => "`--spans` shows what became of its requests; where the tool means its error, callers are told the same, and not charged".to_owned(),
        FailureKind::Error => "the tool means it: callers are told the same, and not charged; an example with `failure = \"error\"` promises it".to_owned(),
        FailureKind::Abi => "build it anew with current tools (wit-bindgen, componentize-js, componentize-py): what they generate does not fit together".to_owned(),
        FailureKind::MemoryLimit => match limits.memory_bytes < Limits::default().memory_bytes {
            true => format!("tool.toml gives it {} MiB: raise `[limits] memory`, to at most {} MiB, or hold less at once", limits.memory_bytes / MIB, Limits::default().memory_bytes / MIB),
            false => format!("a run has at most {} MiB: read and write in parts, free what is done with", limits.memory_bytes / MIB),
        },
        FailureKind::HostLimit => format!("close files, streams and requests once they are done with: {} are open at most", limits.handles),
        FailureKind::OutputLimit => format!("give back less than {} KiB, or a part of it at a time (`[limits] output`)", limits.output_bytes / 1024),
        FailureKind::OutputInvalid => "write UTF-8 to standard output, and every file that `[command] outputs` names".to_owned(),
        FailureKind::Timeout if of.are_spans_shown => format!("`--profile OUT.json` shows where the time goes; it has {:?}", limits.timeout),
        FailureKind::Timeout => format!("`--profile OUT.json` shows where the time goes, `--spans` what was waited for; it has {:?}", limits.timeout),
        FailureKind::Internal => "this is our fault, not the tool's: please report it with the tool and its input".to_owned(),
    }
}

fn trap(failure: &Failure, has_panicked: bool) -> String {
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
            "build with line tables to see the line (in Rust: `debug = \"line-tables-only\"` and no `strip`)"
        }
        (false, false) => "build with names to see the function (in Rust: no `strip`)",
    };
    match failure.trap.as_deref() {
        Some("stack_overflow") => {
            format!("it calls too deep, 1 MiB of stack is all there is; {next}")
        }
        // What a language says of itself has the line of its own code; a backtrace may have its library's only.
        Some("unreachable_code_reached") if has_panicked => {
            "a panic: standard error, above, says which and where".to_owned()
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

    fn of(limits: &Limits) -> Circumstances<'_> {
        Circumstances {
            limits,
            has_logs: true,
            has_panicked: false,
            has_asked: false,
            are_spans_shown: false,
        }
    }

    #[test]
    fn follows_what_is_known_of_the_failure() {
        let limits = Limits::default();
        let low = Limits {
            memory_bytes: 64 * MIB,
            ..limits.clone()
        };
        let memory = Failure::new(FailureKind::MemoryLimit, "");
        assert!(
            next_step(&memory, &of(&low)).contains("raise `[limits] memory`, to at most 128 MiB")
        );
        assert!(next_step(&memory, &of(&limits)).contains("at most 128 MiB: read"));
        let mut trap = Failure::new(FailureKind::Trap, "");
        assert!(next_step(&trap, &of(&limits)).contains("build with names"));
        let frame = |line| Frame {
            offset: 1,
            function: Some("f".to_owned()),
            file: None,
            line,
        };
        trap.backtrace = vec![frame(None)];
        assert!(next_step(&trap, &of(&limits)).contains("line tables"));
        let python = Frame {
            function: Some("_PyErr_Print".to_owned()),
            ..frame(None)
        };
        trap.backtrace = vec![python];
        assert!(next_step(&trap, &of(&limits)).contains("traceback"));
        trap.backtrace = vec![frame(Some(3))];
        assert!(next_step(&trap, &of(&limits)).ends_with("look there"));
        trap.backtrace = vec![frame(None)];
        trap.trap = Some("unreachable_code_reached".to_owned());
        assert!(next_step(&trap, &of(&limits)).contains("line tables"));
        let panicked = Circumstances {
            has_panicked: true,
            ..of(&limits)
        };
        assert!(next_step(&trap, &panicked).ends_with("says which and where"));
    }

    #[test]
    fn follows_what_was_seen_of_the_run() {
        let limits = Limits::default();
        let quiet = Circumstances {
            has_asked: true,
            has_logs: false,
            ..of(&limits)
        };
        let told = Circumstances {
            are_spans_shown: true,
            has_logs: true,
            ..of(&limits)
        };
        for (kind, of, said) in [
            (FailureKind::Error, &quiet, "`--spans` shows"),
            (FailureKind::Error, &told, "the tool means it"),
            (FailureKind::Exit, &quiet, "did not say why"),
            (FailureKind::Exit, &told, "says why on standard error"),
            (FailureKind::Timeout, &quiet, "`--spans` what was waited"),
            (FailureKind::Timeout, &told, "goes; it has"),
        ] {
            let next = next_step(&Failure::new(kind, ""), of);
            assert!(next.contains(said), "{next}");
        }
    }
}
