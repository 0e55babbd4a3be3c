//! The one place where a guest is entered.

use crate::guest::RunState;
use crate::run::handle::Tool;
use crate::run::job::Request;
use crate::scheduler::Meter;
use crate::tool::Program;
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
    tool: &Tool,
    store: &mut Store<Guest<RunState>>,
    request: &Request,
    meter: &Meter,
) -> wasmtime::Result<Returned> {
    match (&tool.compiled.program, request) {
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
            let has_result = request.result_type(tool.interface()).is_some();
            let mut results = vec![Val::Bool(false); usize::from(has_result)];
            if let Some(lifted) = &mut store.data_mut().run.lifted {
                let types = tool.interface().parameters(*index);
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
