//! Hangs the doors into the engine's linkers: all of WASI 0.2's command world and outgoing `wasi:http` for
//! components, WASI 0.1 for modules. Every tool gets all of them; a door says no where nothing was granted.

mod egress;
mod files;
mod module_files;

use crate::guest::Guest;
use wasmtime::Result;

/// Links the doors for components. A host's own imports may be added to the same linker afterwards.
pub fn add_to_component_linker<R: Send + 'static>(
    linker: &mut wasmtime::component::Linker<Guest<R>>,
) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    files::add_to_linker(linker)?;
    egress::add_to_linker(linker)?;
    egress::add_request_limits(linker)?;
    egress::add_error_codes(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Links the doors for WASI 0.1 modules.
pub fn add_to_module_linker<R: Send + 'static>(
    linker: &mut wasmtime::Linker<Guest<R>>,
) -> Result<()> {
    wasmtime_wasi::p1::add_to_linker_async(linker, |guest| &mut guest.host.wasi)?;
    linker.allow_shadowing(true);
    module_files::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}
