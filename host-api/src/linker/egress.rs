//! What the linkers hold of egress beside the door itself: raw sockets answer `access-denied`, and the parts of a request
//! are bounded from when they are set.

use crate::guest::Guest;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    self, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView};
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode as HttpError, HostOutgoingRequest as _, IoError, Method, Scheme,
};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error as BodyError, WasiHttpView};

/// The interface as wasmtime-wasi-http links it; tools import any 0.2 version of it.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12";

/// Shadows name lookup in a linker that has wasmtime-wasi's: what no run is granted says so (wasmtime-wasi would
/// answer that the name does not exist).
pub(crate) fn add_to_linker<R: Send + 'static>(
    linker: &mut Linker<Guest<R>>,
) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<_, HasNames>(linker, |guest| Names(guest.sockets()))
}

/// The longest method, scheme and authority of a request, and its longest path, in bytes. The host keeps them with
/// the request from when they are set.
const METHOD_BYTES_MAX: usize = 64;
const AUTHORITY_BYTES_MAX: usize = 512;
const PATH_BYTES_MAX: usize = 8 * 1024;

/// Shadows what sets the parts of a request: wasmtime-wasi-http takes any length of them.
pub(crate) fn add_request_limits<R: Send + 'static>(
    linker: &mut Linker<Guest<R>>,
) -> wasmtime::Result<()> {
    type Set<T> = (Resource<HostOutgoingRequest>, T);
    let mut types = linker.instance(HTTP_TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, Guest<R>>, (request, method): Set<Method>| {
            if matches!(&method, Method::Other(name) if name.len() > METHOD_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: StoreContextMut<'_, Guest<R>>, (request, scheme): Set<Option<Scheme>>| {
            if matches!(&scheme, Some(Scheme::Other(name)) if name.len() > METHOD_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_scheme(request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, Guest<R>>, (request, authority): Set<Option<String>>| {
            if authority
                .as_ref()
                .is_some_and(|it| it.len() > AUTHORITY_BYTES_MAX)
            {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, Guest<R>>, (request, path): Set<Option<String>>| {
            if path.as_ref().is_some_and(|it| it.len() > PATH_BYTES_MAX) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_path_with_query(request, path)?,))
        },
    )?;
    Ok(())
}

/// Shadows how a guest asks what was wrong with a body: wasmtime-wasi-http looks for the error as guests are told of it,
/// and finds its own.
pub(crate) fn add_error_codes<R: Send + 'static>(
    linker: &mut Linker<Guest<R>>,
) -> wasmtime::Result<()> {
    let mut types = linker.instance(HTTP_TYPES)?;
    types.func_wrap(
        "http-error-code",
        |mut store: StoreContextMut<'_, Guest<R>>, (error,): (Resource<IoError>,)| {
            let guest = store.data_mut();
            let error = guest.http().table.get(&error)?;
            let code = error.downcast_ref::<BodyError>().map(body_error);
            Ok((code.or_else(|| error.downcast_ref::<HttpError>().cloned()),))
        },
    )
}

/// What a response's body ends with, other than its end.
fn body_error(error: &BodyError) -> HttpError {
    match error {
        BodyError::HttpResponseBodySize(size) => HttpError::HttpResponseBodySize(*size),
        BodyError::HttpResponseIncomplete => HttpError::HttpResponseIncomplete,
        BodyError::ConnectionReadTimeout => HttpError::ConnectionReadTimeout,
        BodyError::ConnectionTerminated => HttpError::ConnectionTerminated,
        _ => HttpError::HttpProtocolError,
    }
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
