//! The door to other machines. Nothing is granted yet: every outgoing request answers `HTTP-request-denied`
//! inside the guest, raw sockets answer `access-denied`.

use http::{Request, Response};
use std::future::Future;
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
