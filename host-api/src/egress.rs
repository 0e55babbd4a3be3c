//! The door to other machines. Nothing is granted yet: every outgoing request answers `HTTP-request-denied`
//! inside the guest, raw sockets answer `access-denied`.

use crate::guest::Guest;
use http::{Request, Response};
use std::future::Future;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

/// The most bytes of header fields one `fields` resource holds.
pub const FIELDS_BYTES_MAX: usize = 64 * 1024;

/// The most bytes the host takes over in one write to an outgoing body.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// What a run may reach over HTTP: nothing.
pub(crate) struct Egress;

type Failing = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        _request: Request<WasiBody>,
        _options: Option<RequestOptions>,
        _response_failure: Failing,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Failing)>> + Send> {
        Box::new(std::future::ready(Err(Error::HttpRequestDenied)))
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}

/// Shadows name lookup in a linker that has wasmtime-wasi's: what no run is granted says so (wasmtime-wasi would
/// answer that the name does not exist).
pub(crate) fn add_to_linker<R: Send + 'static>(
    linker: &mut Linker<Guest<R>>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<_, HasNames>(linker, |guest| Names(guest.sockets()))
}

struct HasNames;

impl HasData for HasNames {
    type Data<'a> = Names<'a>;
}

struct Names<'a>(WasiSocketsCtxView<'a>);

impl ip_name_lookup::Host for Names<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        _: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        Err(ErrorCode::AccessDenied.into())
    }
}

impl HostResolveAddressStream for Names<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> SocketResult<Option<IpAddress>> {
        self.0.resolve_next_address(stream)
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        self.0.subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        HostResolveAddressStream::drop(&mut self.0, stream)
    }
}

impl network::Host for Names<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.0.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.0.network_error_code(error)
    }
}

impl network::HostNetwork for Names<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.0, network)
    }
}
