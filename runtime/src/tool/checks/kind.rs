//! 6. Kind: a typed component, a WASI 0.2 command or a WASI 0.1 command.

use crate::tool::survey::Survey;
use crate::violation::Violation;
use serde::{Deserialize, Serialize};
use wasmparser::Encoding;

/// What a tool is, and so how it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A component whose exported functions are called with typed values.
    Typed,
    /// A component that exports `wasi:cli/run`.
    Command,
    /// A core module with `_start`, for WASI 0.1.
    Preview1Command,
}

impl Kind {
    /// Whether standard input and output carry the run's input and output.
    pub fn is_command(self) -> bool {
        match self {
            Kind::Typed => false,
            Kind::Command | Kind::Preview1Command => true,
        }
    }
}

/// Whether an export of a component is the entry of a command, of any 0.2 version.
pub(crate) fn is_run_interface(name: &str) -> bool {
    name.strip_prefix("wasi:cli/run@0.2.").is_some()
}

pub(super) fn check(survey: &Survey<'_>) -> Result<Kind, Vec<Violation>> {
    match survey.encoding {
        Encoding::Module => check_module(survey),
        Encoding::Component => check_component(survey),
    }
}

fn check_module(survey: &Survey<'_>) -> Result<Kind, Vec<Violation>> {
    let exports = |name: &str, kind: &str| {
        survey
            .exports
            .iter()
            .any(|it| it.name == name && it.kind == kind)
    };
    let mut violations = Vec::new();
    if !exports("_start", "function") {
        let message = if exports("_initialize", "function") {
            "the module is a WASI 0.1 library (it exports `_initialize`); a tool is a command with `_start`, or a component"
        } else {
            "the module exports no function `_start`; a tool is a WASI command or a component (for Rust: \
             `--target wasm32-wasip2`, or `wasm-tools component new`)"
        };
        violations.push(Violation::new("kind_unknown", message).in_section("export"));
    }
    if !exports("memory", "memory") {
        let message =
            "the module exports no memory named `memory`, through which WASI 0.1 passes everything";
        violations.push(Violation::new("kind_unknown", message).in_section("export"));
    }
    if violations.is_empty() {
        Ok(Kind::Preview1Command)
    } else {
        Err(violations)
    }
}

fn check_component(survey: &Survey<'_>) -> Result<Kind, Vec<Violation>> {
    let is_callable = |kind| kind == "function" || kind == "instance";
    if survey
        .exports
        .iter()
        .any(|it| it.kind == "instance" && is_run_interface(&it.name))
    {
        Ok(Kind::Command)
    } else if survey.exports.iter().any(|it| is_callable(it.kind)) {
        Ok(Kind::Typed)
    } else {
        let message =
            "the component exports neither functions nor `wasi:cli/run`: there is nothing to call";
        Err(vec![
            Violation::new("kind_unknown", message).in_section("export"),
        ])
    }
}
