//! The door to other machines. A request goes where the manifest allows, to an address that is anybody's, with the
//! buyer's secrets exchanged for their placeholders on the way; everything else is refused inside the guest, and the
//! run's spans say so. Raw sockets are not granted.

pub mod address;
pub mod allow;
mod body;
mod connection;
mod dial;
pub mod network;
mod owner;
mod record;
pub mod recorded;
mod request;

use crate::exchange::RunSecrets;
use crate::spans::Spans;
use allow::Allow;
use http::{Request, Response};
use network::Network;
pub use record::MISDIRECTED;
use recorded::Recording;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks};

/// The most bytes of header fields one `fields` resource holds.
pub const FIELDS_BYTES_MAX: usize = 64 * 1024;

/// The most bytes the host takes over in one write to an outgoing body.
const BODY_CHUNK_BYTES: usize = 64 * 1024;

/// Requests of one run under way at once; the next one waits.
const AT_ONCE_MAX: usize = 6;

/// What one run is granted of the network.
#[derive(Debug)]
pub struct EgressGrant {
    /// The way out.
    pub network: Arc<Network>,
    /// Whose connections are used.
    pub owner: Arc<str>,
    /// What answers in the place of hosts: with it, nothing goes out.
    pub recorded: Option<Arc<[Recording]>>,
    /// Where requests may go.
    pub allow: Arc<[Allow]>,
    /// What is exchanged on the way.
    pub secrets: Arc<RunSecrets>,
    /// Requests in all.
    pub requests_max: u64,
    /// Bytes of bodies in all, each way.
    pub bytes_max: u64,
    /// Where requests are told of.
    pub spans: Spans,
}

/// What a run has used of the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EgressUsage {
    /// Requests, those that were refused included.
    pub requests: u64,
    /// Bytes of bodies received.
    pub bytes_in: u64,
    /// Bytes of bodies sent.
    pub bytes_out: u64,
}

/// A run's way out, or that it has none. Most runs that have one never take it.
pub(crate) enum Egress {
    Closed,
    Granted(EgressGrant, Option<Instant>),
    Taken(Taken),
}

/// Dropped with its run.
pub(crate) struct Taken(Arc<State>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

/// What the requests of one run share.
#[derive(Debug)]
pub(crate) struct State {
    grant: EgressGrant,
    at_once: Arc<Semaphore>,
    deadline: Option<Instant>,
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// Nobody is there any more who could finish a body.
    is_over: AtomicBool,
}

type Failing = Box<dyn Future<Output = Result<()>> + Send>;

impl Egress {
    pub(crate) fn new(grant: Option<EgressGrant>) -> Self {
        grant.map_or(Self::Closed, |grant| Self::Granted(grant, None))
    }

    /// No request lasts beyond it.
    pub(crate) fn end_at(&mut self, at: Instant) {
        if let Self::Granted(_, deadline) = self {
            *deadline = Some(at);
        }
    }

    /// What the run's requests share, made by the first of them.
    fn state(&mut self) -> Option<&Arc<State>> {
        if let Self::Granted(..) = self
            && let Self::Granted(grant, deadline) = std::mem::replace(self, Self::Closed)
        {
            *self = Self::Taken(Taken(Arc::new(State {
                grant,
                at_once: Arc::new(Semaphore::new(AT_ONCE_MAX)),
                deadline,
                requests: AtomicU64::new(0),
                bytes_in: AtomicU64::new(0),
                bytes_out: AtomicU64::new(0),
                is_over: AtomicBool::new(false),
            })));
        }
        match self {
            Self::Taken(Taken(state)) => Some(state),
            _ => None,
        }
    }

    pub(crate) fn usage(&self) -> EgressUsage {
        let Self::Taken(Taken(state)) = self else {
            return EgressUsage::default();
        };
        EgressUsage {
            requests: state.requests.load(Ordering::Relaxed),
            bytes_in: state.bytes_in.load(Ordering::Relaxed),
            bytes_out: state.bytes_out.load(Ordering::Relaxed),
        }
    }
}

impl State {
    /// A time-out of the guest's, clipped to what is left of the run.
    fn clipped(&self, timeout: Option<Duration>) -> Duration {
        let left = self.deadline.map_or(Duration::MAX, |it| {
            it.saturating_duration_since(Instant::now())
        });
        timeout.map_or(left, |timeout| timeout.min(left))
    }
}

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_failure: Failing,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Failing)>> + Send> {
        let Some(state) = self.state() else {
            return Box::new(std::future::ready(Err(Error::HttpRequestDenied)));
        };
        let sending = request::send(Arc::clone(state), request, options.unwrap_or_default());
        Box::new(async move {
            let response = sending.await?;
            let nothing_left: Failing = Box::new(std::future::ready(Ok(())));
            Ok((response, nothing_left))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }
}
