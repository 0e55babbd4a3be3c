//! One owner's connections: kept for the next request to the same origin, never another owner's, and not too many.

use super::connection::{Connection, LASTS_FOR};
use super::dial::{Dial, DialError};
use super::network::{HEADER_BYTES_MAX, Network};
use bytes::Bytes;
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::client::Resumption;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

/// Connections an owner has at once, those that are kept included.
const CONNECTIONS_MAX: usize = 192;
/// Connections to one origin that are kept, and for how long. Fewer than are in use at once would be made anew for each
/// request of HTTP/1.1; as many as an owner may have would leave no place for another.
const IDLE_MAX: usize = 64;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// How long an owner is remembered without a request: longer than any connection lasts, or its places would be given
/// anew while they are taken.
pub(super) const REMEMBERED_FOR: Duration = LASTS_FOR.saturating_add(IDLE_FOR);
/// How long a name may be looked up, connected to, and shake hands.
const CONNECTING_FOR: Duration = Duration::from_secs(15);
/// What a stream of HTTP/2 may bring before the guest has taken it, what a connection may (all streams of a run fit
/// in), and how much of a request waits to be sent.
const STREAM_BYTES: u32 = 256 * 1024;
const CONNECTION_BYTES: u32 = 2048 * 1024;
const SENDING_BYTES: usize = 256 * 1024;
/// TLS sessions remembered.
const SESSIONS: usize = 64;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request's body on the wire.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>;
type HttpClient = Client<InTime, Outgoing>;

/// One owner's.
pub(super) struct Owner {
    connector: InTime,
    client: Mutex<HttpClient>,
}

impl Owner {
    pub(super) fn new(
        name: &Arc<str>,
        network: &Weak<Network>,
        dial: &Arc<Dial>,
        mut tls: ClientConfig,
        all: &Arc<Semaphore>,
    ) -> Self {
        // A host could tell by its sessions that two owners are customers of one server.
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Connector {
                dial: Arc::clone(dial),
                network: Weak::clone(network),
                owner: Arc::clone(name),
                places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
                all: Arc::clone(all),
            });
        let connector = InTime(connector);
        let client = Mutex::new(new_client(&connector));
        Self { connector, client }
    }

    pub(super) fn client(&self) -> HttpClient {
        let client = self.client.lock();
        client.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections that wait for a next request are closed.
    pub(super) fn let_idle_go(&self) {
        let fresh = new_client(&self.connector);
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

/// A request that a kept connection was closed under before any of it was written goes over another one: the host
/// sees it once. Nothing else is sent again.
fn new_client(connector: &InTime) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_FOR)
        .pool_max_idle_per_host(IDLE_MAX)
        .http1_max_buf_size(HEADER_BYTES_MAX)
        .http2_max_header_list_size(HEADER_BYTES_MAX as u32)
        .http2_initial_stream_window_size(STREAM_BYTES)
        .http2_initial_connection_window_size(CONNECTION_BYTES)
        .http2_max_send_buf_size(SENDING_BYTES)
        .build(connector.clone())
}

/// Connects within a time.
#[derive(Clone)]
pub(super) struct InTime(HttpsConnector<Connector>);

impl Service<Uri> for InTime {
    type Response = MaybeHttpsStream<TokioIo<Connection>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(CONNECTING_FOR, self.0.call(uri));
        Box::pin(async move { connecting.await.map_err(|_| DialError::TimedOut)? })
    }
}

/// Connects to checked addresses, as long as there are places.
#[derive(Clone)]
pub(super) struct Connector {
    dial: Arc<Dial>,
    network: Weak<Network>,
    owner: Arc<str>,
    places: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

impl Connector {
    /// The owner's place, then one of all. Where there is none, connections that nobody uses make room.
    async fn places(&self) -> Result<[OwnedSemaphorePermit; 2], DialError> {
        let own = place(&self.places, || {
            let network = self.network.upgrade();
            network.inspect(|it| it.owner(&self.owner).let_idle_go());
        });
        let own = own.await?;
        let of_all = place(&self.all, || {
            self.network.upgrade().inspect(|it| it.let_idle_go());
        });
        Ok([own, of_all.await?])
    }
}

async fn place(
    places: &Arc<Semaphore>,
    make_room: impl FnOnce(),
) -> Result<OwnedSemaphorePermit, DialError> {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return Ok(place);
    }
    make_room();
    let place = Arc::clone(places).acquire_owned().await;
    place.map_err(|_| DialError::NoPlace)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Connection>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let is_http = uri.scheme() == Some(&http::uri::Scheme::HTTP);
            let port = uri.port_u16().unwrap_or(if is_http { 80 } else { 443 });
            let places = connector.places().await?;
            let stream = connector.dial.connect(host, port).await?;
            Ok(Connection::new(stream, places))
        })
    }
}
