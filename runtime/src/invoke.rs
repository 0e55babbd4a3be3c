//! The one place where a guest is entered.

use crate::execute::{Request, result_type};
use crate::meter::Meter;
use crate::runtime::RunState;
use crate::tool::{Loaded, Program};
use tollgate_host_api::Guest;
use wasmtime::Store;
use wasmtime::component::Val;

/// What a guest gave back when it came to a good end.
pub(crate) enum Returned {
    Typed(Option<Val>),
    Command,
}

/// Instantiates the program and calls what was asked for.
pub(crate) async fn call(
    tool: &Loaded,
    store: &mut Store<Guest<RunState>>,
    request: &Request,
    meter: &Meter,
) -> wasmtime::Result<Returned> {
    match (&tool.program, request) {
        (Program::Module(pre), _) => {
            let instance = pre.instantiate_async(&mut *store).await?;
            meter.mark_instantiated();
            let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
            start.call_async(&mut *store, ()).await?;
            Ok(Returned::Command)
        }
        (Program::Component(pre, exports), Request::Typed { index, parameters }) => {
            let instance = pre.instantiate_async(&mut *store).await?;
            meter.mark_instantiated();
            let function = function(&instance, store, &exports[*index])?;
            let has_result = result_type(tool, request).is_some();
            let mut results = vec![Val::Bool(false); usize::from(has_result)];
            if let Some(lifted) = &mut store.data_mut().run.lifted {
                let types = tool.admissible.interface.parameters(*index);
                lifted.begin(types, parameters);
            }
            function
                .call_async(&mut *store, parameters, &mut results)
                .await?;
            Ok(Returned::Typed(results.pop()))
        }
        (Program::Component(pre, exports), Request::Command(_)) => {
            let instance = pre.instantiate_async(&mut *store).await?;
            meter.mark_instantiated();
            let function = function(&instance, store, &exports[0])?;
            let mut results = [Val::Bool(false)];
            function.call_async(&mut *store, &[], &mut results).await?;
            match results {
                [Val::Result(Err(_))] => Err(tollgate_host_api::limit::Exit { code: 1 }.into()),
                _ => Ok(Returned::Command),
            }
        }
    }
}

fn function(
    instance: &wasmtime::component::Instance,
    store: &mut Store<Guest<RunState>>,
    export: &wasmtime::component::ComponentExportIndex,
) -> wasmtime::Result<wasmtime::component::Func> {
    instance
        .get_func(store, export)
        .ok_or_else(|| wasmtime::Error::msg("the instance lacks its own export"))
}
