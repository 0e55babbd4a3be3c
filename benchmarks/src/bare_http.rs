//! The reference for a tool that asks other machines: the engine alone, with WASI and `wasi:http` linked as their crates
//! document it, and the client library of the door behind them. Nothing is checked, exchanged, searched or told.

use crate::bare::{Bare, failed};
use crate::outside::{self, Ask, Client, KEY};
use crate::upstream::{ANSWER_BYTES, Upstream};
use anyhow::Context;
use http_body_util::BodyExt;
use hyper::{Request, Response};
use std::future::ready;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, InstancePre, Linker, ResourceTable, Val,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, RequestOptions, Result, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView,
};

/// The tool that the door is measured with.
pub(crate) const TOOL: &str = "courier";
/// Its function that asks again and again.
pub(crate) const FUNCTION: &str = "ask-again";

struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    sending: Sending,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.sending,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

#[derive(Clone)]
struct Sending(Client<WasiBody>);

type Failing = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Sending {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Failing,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Failing)>> + Send> {
        let sending = self.0.request(request);
        Box::new(async move {
            let response = sending.await.map_err(|_| Error::HttpProtocolError)?;
            let response = response.map(|body| {
                let body = body.map_err(|_| Error::HttpProtocolError);
                body.boxed_unsync()
            });
            let nothing_left: Failing = Box::new(ready(Ok(())));
            Ok((response, nothing_left))
        })
    }
}

/// The tool on a tokio of its own, whose threads its runs share with its connections.
pub(crate) struct BareHttpTool {
    tokio: tokio::runtime::Runtime,
    tool: Arc<Tool>,
}

struct Tool {
    bare: Bare,
    pre: InstancePre<State>,
    export: ComponentExportIndex,
    sending: Sending,
    url: String,
}

impl BareHttpTool {
    pub(crate) fn load(upstream: &Upstream, wasm: &[u8]) -> anyhow::Result<Self> {
        let bare = Bare::new()?;
        let component = Component::from_binary(bare.engine(), wasm).map_err(failed)?;
        let mut linker = Linker::new(bare.engine());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(failed)?;
        let pre = linker.instantiate_pre(&component).map_err(failed)?;
        let export = component
            .get_export_index(None, FUNCTION)
            .with_context(|| format!("no function `{FUNCTION}`"))?;
        let tool = Tool {
            bare,
            pre,
            export,
            sending: Sending(outside::client(upstream)?),
            url: upstream.url(),
        };
        Ok(Self {
            tokio: outside::tokio()?,
            tool: Arc::new(tool),
        })
    }
}

impl Ask for BareHttpTool {
    fn tokio(&self) -> &tokio::runtime::Runtime {
        &self.tokio
    }

    fn ask(&self, times: u32) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let tool = Arc::clone(&self.tool);
        async move { tool.run(times).await.map_err(failed) }
    }
}

impl Tool {
    /// One run in a store of its own, which lets others have a turn at every tick.
    async fn run(&self, times: u32) -> wasmtime::Result<()> {
        let state = State {
            wasi: WasiCtx::builder().env("KEY", KEY).build(),
            http: WasiHttpCtx::new(),
            sending: self.sending.clone(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(self.bare.engine(), state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let function = instance
            .get_func(&mut store, self.export)
            .ok_or_else(|| wasmtime::Error::msg("the instance lacks its own export"))?;
        let text = |text: &str| Val::String(text.to_owned());
        let header = Val::Tuple(vec![text("x-key"), text("{KEY}")]);
        let request = Val::Record(vec![
            ("method".to_owned(), text("GET")),
            ("url".to_owned(), text(&self.url)),
            ("headers".to_owned(), Val::List(vec![header])),
            ("body".to_owned(), Val::Option(None)),
        ]);
        let mut results = [Val::Bool(false)];
        function
            .call_async(&mut store, &[request, Val::U32(times)], &mut results)
            .await?;
        let bytes = u64::from(times) * ANSWER_BYTES as u64;
        match &results {
            [Val::Result(Ok(Some(read)))] if **read == Val::U64(bytes) => Ok(()),
            other => Err(wasmtime::Error::msg(format!("the tool gave {other:?}"))),
        }
    }
}
