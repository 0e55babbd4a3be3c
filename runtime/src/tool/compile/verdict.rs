//! Judges a file in a child process. The result is the child's verdict, or a violation that tells how the child ended.

use super::end::Spent;
use super::request::{Task, VERDICT_BYTES_MAX};
use super::{CompileChild, CompileFailure, host};
use crate::tool::checks::{Admissible, Rules, Verdict, read, sized};
use crate::violation::Violation;
use std::fs::File;
use std::io::{self, Read, Seek};
use wasmtime::Engine;

pub(super) fn of_child(
    child: &CompileChild,
    engine: &Engine,
    rules: &Rules,
    wasm: &[u8],
) -> Result<Admissible, Vec<Violation>> {
    sized(wasm)?;
    let answer = host::in_child(child, engine, Task::Judge(rules.clone()), wasm);
    let answer = answer.map_err(|failure| vec![said(&failure)])?;
    let verdict = verdict(answer).map_err(|error| vec![said(&could_not(&error.to_string()))])?;
    let judged = verdict.judged();
    judged.unwrap_or_else(|| Err(vec![said(&could_not("its verdict is not ours"))]))
}

fn could_not(why: &str) -> CompileFailure {
    CompileFailure::CouldNotRun(why.to_owned())
}

fn verdict(mut answer: File) -> io::Result<Verdict> {
    let mut text = Vec::new();
    answer.rewind()?;
    answer.read_to_end(&mut text)?;
    Ok(read(&text)?)
}

/// The violation for a child that ended without a verdict.
fn said(failure: &CompileFailure) -> Violation {
    const FEWER: &str = "declare fewer and smaller types, and instantiate fewer components";
    const MIB: u64 = 1 << 20;
    let (spent, limits) = match failure {
        CompileFailure::Budget(spent, limits) => (spent, limits),
        CompileFailure::Crashed => {
            let message = "a check could not be run to its end; the file is not admitted. It crashed on the tool";
            return Violation::new("check_failed", message);
        }
        _ => return failure.violation(),
    };
    let message = match spent {
        Spent::Time => format!(
            "checking the tool took longer than {} s; {FEWER}, or ask for validation again when the machine is less busy",
            limits.time.as_secs_f64()
        ),
        Spent::Cpu => format!(
            "checking the tool takes more than {} s of processor time; {FEWER}",
            limits.checks_cpu.as_secs_f64()
        ),
        Spent::Memory => format!(
            "checking the tool takes more than {} MiB of memory; {FEWER}",
            limits.address_space_bytes / MIB
        ),
        Spent::Code => format!(
            "what the checks found of the tool takes more than {} MiB; {FEWER}",
            limits.code_bytes.min(VERDICT_BYTES_MAX) / MIB
        ),
    };
    Violation::new("check_budget", message)
}
