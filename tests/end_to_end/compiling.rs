//! Compiling in a child process with limits: what it costs, it takes with it.

mod bombs;
mod child;

pub(crate) use bombs::{bombs, nested_loops};
pub(crate) use child::Seen;

use std::time::Duration;
use tollgate_runtime::{
    CompileChild, CompileLimits, Compiler, ProcessLimits, Runtime, RuntimeConfig, Violation,
};
use tollgate_tests::compile_child;
use tollgate_validator::{Verdict, validate_for};

/// A runtime that compiles by children.
fn runtime(child: CompileChild) -> Runtime {
    let config = RuntimeConfig {
        compiler: Compiler::Child(child),
        process: ProcessLimits {
            runs: 8,
            ..ProcessLimits::default()
        },
        ..RuntimeConfig::default()
    };
    Runtime::new(config).expect("a runtime")
}

pub(crate) fn limited(limits: CompileLimits) -> Runtime {
    runtime(compile_child(limits))
}

/// A tenth of what holds otherwise, so that what is too much is too much soon.
pub(crate) fn low() -> CompileLimits {
    CompileLimits {
        address_space_bytes: 1 << 30,
        cpu: Duration::from_secs(5),
        time: Duration::from_secs(60),
        ..CompileLimits::default()
    }
}

pub(crate) async fn judged(runtime: &Runtime, owner: &str, wasm: &[u8]) -> Verdict {
    validate_for(runtime, owner, wasm.to_vec().into()).await
}

/// The one violation of a file that is not admitted.
async fn violation(runtime: &Runtime, wasm: &[u8]) -> Violation {
    let verdict = judged(runtime, "org", wasm).await;
    assert!(!verdict.is_admitted());
    assert_eq!(verdict.violations.len(), 1, "{:?}", verdict.violations);
    verdict.violations[0].clone()
}
