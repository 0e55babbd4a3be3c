//! The engine, its linkers and the rules for tools.

use crate::engine::engine;
use crate::guest::RunState;
use crate::limits::{Limits, ProcessLimits, StaticLimits};
use crate::tool::checks::Rules;
use std::fmt;
use std::sync::Arc;
use tollgate_host_api::{Guest, add_to_component_linker, add_to_module_linker};
use wasmtime::{Engine, component};

/// The parts that tools are judged by and linked with.
pub(crate) struct Setup {
    pub(crate) engine: Engine,
    pub(crate) component_linker: component::Linker<Guest<RunState>>,
    pub(crate) module_linker: wasmtime::Linker<Guest<RunState>>,
    pub(crate) rules: Rules,
}

/// Imports of the host's own, for components.
#[derive(Clone)]
pub struct HostImports {
    interfaces: Vec<String>,
    link: Arc<Link>,
}

type Link = dyn Fn(&mut component::Linker<Guest<RunState>>) -> wasmtime::Result<()> + Send + Sync;

impl HostImports {
    /// Offers `interfaces` (`package:name/interface@version`), which `link` defines.
    pub fn new(
        interfaces: impl IntoIterator<Item = impl Into<String>>,
        link: impl Fn(&mut component::Linker<Guest<RunState>>) -> wasmtime::Result<()>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            interfaces: interfaces.into_iter().map(Into::into).collect(),
            link: Arc::new(link),
        }
    }
}

impl fmt::Debug for HostImports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostImports")
            .field(&self.interfaces)
            .finish()
    }
}

impl Setup {
    pub(crate) fn new(
        limits: Limits,
        fixed: StaticLimits,
        process: &ProcessLimits,
        imports: Option<HostImports>,
    ) -> wasmtime::Result<Self> {
        let engine = engine(&limits, &fixed, process)?;
        let mut component_linker = component::Linker::new(&engine);
        let mut module_linker = wasmtime::Linker::new(&engine);
        add_to_component_linker(&mut component_linker)?;
        add_to_module_linker(&mut module_linker)?;
        if let Some(imports) = &imports {
            (imports.link)(&mut component_linker)?;
        }
        let host_interfaces = imports
            .map(|imports| imports.interfaces)
            .unwrap_or_default();
        Ok(Self {
            engine,
            component_linker,
            module_linker,
            rules: Rules {
                limits,
                fixed,
                host_interfaces,
            },
        })
    }
}
