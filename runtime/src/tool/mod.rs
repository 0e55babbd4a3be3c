//! A linked tool: its code and the results of its checks.

pub(crate) mod artifacts;
pub mod checks;
pub(crate) mod command;
pub(crate) mod compile;
pub mod docs;
pub(crate) mod interface;
pub(crate) mod loading;
pub mod manifest;
pub(crate) mod native;
pub(crate) mod observer;
pub(crate) mod rejected;
pub mod seller_schema;
pub(crate) mod setup;
pub mod survey;

use crate::guest::RunState;
use crate::limits::Limits;
use crate::tool::checks::{Admissible, Kind};
use crate::tool::interface::Signature;
use crate::tool::native::NativeCode;
use crate::tool::setup::Setup;
use crate::violation::{Violation, quoted};
use std::sync::Arc;
use tollgate_host_api::Guest;
use tollgate_host_api::egress::allow::Allow;
use wasmtime::component::{Component, ComponentExportIndex};
use wasmtime::{InstancePre, component};

/// A tool's code with what was found of it, which a runtime keeps loaded. Nothing in it leads back to the runtime.
pub(crate) struct Compiled {
    pub(crate) admissible: Admissible,
    pub(crate) program: Program,
    /// The runtime's limits, lowered to what the manifest says.
    pub(crate) limits: Limits,
    /// Where its requests may go.
    pub(crate) allow: Arc<[Allow]>,
    /// Bytes that it takes while it is loaded: its code, and what it says of itself.
    pub(crate) weight: u64,
}

/// What is instantiated for each run.
#[derive(Clone)]
pub(crate) enum Program {
    /// A typed component or a WASI 0.2 command, with the export of each function, in the interface's order.
    Component(
        component::InstancePre<Guest<RunState>>,
        Arc<[ComponentExportIndex]>,
    ),
    /// A WASI 0.1 command.
    Module(InstancePre<Guest<RunState>>),
}

impl Compiled {
    /// Links native code of an admitted tool.
    pub(crate) fn link(
        setup: &Setup,
        admissible: Admissible,
        code: NativeCode<'_>,
        code_bytes: u64,
    ) -> Result<Self, Violation> {
        let program = program(setup, &admissible, code)?;
        let lowered = admissible
            .manifest
            .as_ref()
            .map(|manifest| &manifest.limits);
        let limits = lowered.map_or_else(
            || setup.rules.limits.clone(),
            |it| it.apply(&setup.rules.limits),
        );
        let declared = admissible.manifest.as_ref().map(|it| &it.egress.allow);
        let rules = declared.into_iter().flatten();
        let allow = rules.map(|rule| {
            let invalid = |reason| format!("`{}`: {reason}", quoted(rule));
            let invalid = |reason| Violation::new("manifest_invalid", invalid(reason));
            rule.parse()
                .map_err(|reason| invalid(reason).at_pointer("/egress/allow"))
        });
        let allow = allow.collect::<Result<_, _>>()?;
        Ok(Self {
            allow,
            weight: code_bytes + admissible.memory_bytes(),
            admissible,
            program,
            limits,
        })
    }
}

fn program(
    setup: &Setup,
    admissible: &Admissible,
    code: NativeCode<'_>,
) -> Result<Program, Violation> {
    match admissible.kind {
        Kind::Typed | Kind::Command => {
            let component = code
                .component(&setup.engine)
                .map_err(|error| compile_failed(&error))?;
            let pre = setup
                .component_linker
                .instantiate_pre(&component)
                .map_err(|error| import_unknown(&error))?;
            let exports = admissible.interface.functions().iter().map(|function| {
                let found = match &function.signature {
                    Signature::Typed {
                        interface,
                        function,
                        ..
                    } => export(&component, interface.as_deref(), function),
                    Signature::Command(_) => run_export(&component),
                };
                found.ok_or_else(|| {
                    Violation::new(
                        "compile_failed",
                        "an exported function is missing once compiled",
                    )
                    .in_function(&function.name)
                })
            });
            let exports = exports.collect::<Result<_, _>>()?;
            Ok(Program::Component(pre, exports))
        }
        Kind::Preview1Command => {
            let module = code
                .module(&setup.engine)
                .map_err(|error| compile_failed(&error))?;
            let pre = setup
                .module_linker
                .instantiate_pre(&module)
                .map_err(|error| import_unknown(&error))?;
            Ok(Program::Module(pre))
        }
    }
}

fn export(
    component: &Component,
    interface: Option<&str>,
    function: &str,
) -> Option<ComponentExportIndex> {
    let instance = match interface {
        Some(interface) => Some(component.get_export_index(None, interface)?),
        None => None,
    };
    component.get_export_index(instance.as_ref(), function)
}

/// The engine finds `wasi:cli/run` of any 0.2 version by the one it is asked for.
fn run_export(component: &Component) -> Option<ComponentExportIndex> {
    export(component, Some("wasi:cli/run@0.2.0"), "run")
}

fn compile_failed(error: &wasmtime::Error) -> Violation {
    let message = format!(
        "the tool does not compile: {}",
        quoted(&format!("{error:#}"))
    );
    Violation::new("compile_failed", message).in_section("code")
}

/// The names were checked before; what is left is an interface that lacks a function, or has it with another type.
fn import_unknown(error: &wasmtime::Error) -> Violation {
    let message = format!(
        "an import is not what the host offers: {}",
        quoted(&format!("{error:#}"))
    );
    Violation::new("import_unknown", message).in_section("import")
}
