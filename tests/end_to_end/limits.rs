//! Each limit, just under it and just over.

mod calls;
mod files;
mod held;
mod memory;
mod process;
mod sizes;
mod stack;
mod structure;
mod time;

use serde_json::Value;
use tollgate_runtime::{FailureKind, Limits, Outcome, Refused, Run, Tool};

/// Runs the tool's only function.
async fn only(tool: &Tool, input: Value, limits: Limits) -> Result<Outcome, Refused> {
    tool.run(Run::only(input).limits(limits)).await
}

/// Runs a function.
async fn call(
    tool: &Tool,
    function: &str,
    input: Value,
    limits: Limits,
) -> Result<Outcome, Refused> {
    tool.run(Run::new(function, input).limits(limits)).await
}

/// The failure's kind and the limit it names; `None` for a run that succeeded.
fn end(ended: &Result<Outcome, Refused>) -> Option<(FailureKind, Option<&'static str>)> {
    let outcome = ended.as_ref().expect("it starts");
    let failure = outcome.result.as_ref().err()?;
    Some((failure.kind, failure.limit))
}
