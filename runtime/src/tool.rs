//! A loaded tool: judged, compiled, ready to be run any number of times.

use crate::checks::{Admissible, Kind};
use crate::interface::{Interface, Signature};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::native;
use crate::runtime::{RunState, Shared};
use crate::survey::Counts;
use crate::violation::{Violation, quoted};
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use tollgate_host_api::Guest;
use tollgate_host_api::egress::allow::Allow;
use wasmtime::component::{Component, ComponentExportIndex};
use wasmtime::{InstancePre, component};

/// A tool that may be run.
#[derive(Debug, Clone)]
pub struct Tool {
    pub(crate) loaded: Arc<Loaded>,
}

pub(crate) struct Loaded {
    pub(crate) shared: Arc<Shared>,
    pub(crate) admissible: Arc<Admissible>,
    pub(crate) program: Program,
    /// The runtime's limits, lowered to what the manifest says.
    pub(crate) limits: Limits,
    /// Where its requests may go.
    pub(crate) allow: Arc<[Allow]>,
}

/// A tool's code with what was found of it, which a runtime keeps loaded. Nothing in it leads back to the runtime.
pub(crate) struct Compiled {
    pub(crate) admissible: Arc<Admissible>,
    pub(crate) program: Program,
    pub(crate) limits: Limits,
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

/// A file that is no tool for this host, with every reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The reasons.
    pub violations: Vec<Violation>,
}

impl Rejected {
    pub(crate) fn could_not_judge() -> Self {
        let message = "a check could not be run to its end; the file is not admitted";
        Self {
            violations: vec![Violation::new("check_failed", message)],
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tool was rejected")?;
        self.violations
            .iter()
            .try_for_each(|violation| write!(f, "; {violation}"))
    }
}

impl std::error::Error for Rejected {}

impl Compiled {
    /// Links native code of an admitted tool: a file that holds the engine's code first, and that nobody writes to.
    pub(crate) fn link(
        shared: &Shared,
        admissible: Admissible,
        code: &File,
        code_bytes: u64,
    ) -> Result<Self, Violation> {
        let program = program(shared, &admissible, code)?;
        let lowered = admissible
            .manifest
            .as_ref()
            .map(|manifest| &manifest.limits);
        let limits = lowered.map_or_else(
            || shared.rules.limits.clone(),
            |it| it.apply(&shared.rules.limits),
        );
        let declared = admissible.manifest.as_ref().map(|it| &it.egress.allow);
        // The gate names a rule that is none; here it allows nothing.
        let rules = declared.into_iter().flatten();
        let allow = rules.filter_map(|rule| rule.parse().ok()).collect();
        Ok(Self {
            allow,
            weight: code_bytes + admissible.memory_bytes(),
            admissible: Arc::new(admissible),
            program,
            limits,
        })
    }
}

impl Tool {
    pub(crate) fn of(shared: Arc<Shared>, compiled: &Compiled) -> Self {
        let Compiled {
            admissible,
            program,
            limits,
            allow,
            ..
        } = compiled;
        Self {
            loaded: Arc::new(Loaded {
                shared,
                admissible: Arc::clone(admissible),
                program: program.clone(),
                limits: limits.clone(),
                allow: Arc::clone(allow),
            }),
        }
    }

    /// Typed component or command.
    pub fn kind(&self) -> Kind {
        self.loaded.admissible.kind
    }

    /// The functions it offers.
    pub fn interface(&self) -> &Interface {
        &self.loaded.admissible.interface
    }

    /// What it says of itself, if anything.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.loaded.admissible.manifest.as_ref()
    }

    /// What one run instantiates.
    pub fn counts(&self) -> Counts {
        self.loaded.admissible.counts
    }

    /// What a reader should know although the tool is admitted.
    pub fn notes(&self) -> &[Violation] {
        &self.loaded.admissible.notes
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("kind", &self.admissible.kind)
            .finish_non_exhaustive()
    }
}

fn program(shared: &Shared, admissible: &Admissible, code: &File) -> Result<Program, Violation> {
    match admissible.kind {
        Kind::Typed | Kind::Command => {
            let component =
                native::component(&shared.engine, code).map_err(|error| compile_failed(&error))?;
            let pre = shared
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
            let module =
                native::module(&shared.engine, code).map_err(|error| compile_failed(&error))?;
            let pre = shared
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
