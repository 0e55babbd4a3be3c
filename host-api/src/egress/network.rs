//! The way out of the process: one resolver whose every address is checked, connections that are kept for their owner
//! and origin only, and TLS with the platform's roots.

use super::address::is_public;
use super::host::Host;
use bytes::Bytes;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use moka::sync::Cache;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

/// Owners whose connections are kept.
const OWNERS_MAX: u64 = 1024;
/// Connections to one origin that an owner keeps for the next request, and for how long.
const IDLE_MAX: usize = 16;
const IDLE_FOR: Duration = Duration::from_secs(30);
/// The most bytes of a response's headers.
pub(super) const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How long an address is tried before the next one.
const DIAL_MAX: Duration = Duration::from_secs(5);

/// How the way out is set up. The defaults serve.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// Places that requests may go to whatever their address: the operator's exception, on premises and in tests.
    pub open: Vec<Host>,
    /// Certificates (PEM) of authorities to be trusted beside the platform's.
    pub roots_pem: Vec<Vec<u8>>,
    /// Servers to ask for names; without any those that the machine is set up with.
    pub nameservers: Vec<SocketAddr>,
}

/// The way out cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// What was given as certificates has none.
    #[error("a file of root certificates holds no certificate in PEM form")]
    Roots,
}

/// A request's body on the wire.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>;
type HttpClient = Client<HttpsConnector<Dialer>, Outgoing>;

/// One process's way out.
pub struct Network {
    open: HashSet<Host>,
    roots: Vec<CertificateDer<'static>>,
    nameservers: Vec<SocketAddr>,
    /// Made when the first name is looked up; nothing where the machine is not set up for it.
    resolver: OnceLock<Option<TokioResolver>>,
    /// Made when the first request is: reading the platform's roots takes a while.
    tls: OnceLock<ClientConfig>,
    clients: Cache<Arc<str>, HttpClient>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Sets it up. Nothing is connected or looked up yet.
    pub fn new(config: &NetworkConfig) -> Result<Arc<Self>, NetworkError> {
        let mut roots = Vec::new();
        for pem in &config.roots_pem {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let read = read.map_err(|_| NetworkError::Roots)?;
            if read.is_empty() {
                return Err(NetworkError::Roots);
            }
            roots.extend(read);
        }
        Ok(Arc::new(Self {
            open: config.open.iter().cloned().collect(),
            roots,
            nameservers: config.nameservers.clone(),
            resolver: OnceLock::new(),
            tls: OnceLock::new(),
            clients: Cache::builder()
                .max_capacity(OWNERS_MAX)
                .time_to_idle(IDLE_FOR)
                .build(),
        }))
    }

    /// The connections of an owner.
    pub(super) fn client(self: &Arc<Self>, owner: &Arc<str>) -> HttpClient {
        self.clients.get_with_by_ref(owner, || self.new_client())
    }

    fn new_client(self: &Arc<Self>) -> HttpClient {
        let tls = self.tls.get_or_init(|| tls(&self.roots)).clone();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Dialer(Arc::clone(self)));
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEADER_BYTES_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX as u32)
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(2 << 20)
            .build(connector)
    }

    /// The addresses of a host, none of which is one that a tool may not be connected to.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => {
                let resolver = self.resolver.get_or_init(|| resolver(&self.nameservers));
                let resolver = resolver.as_ref().ok_or(DialError::NoResolver)?;
                let found = resolver.lookup_ip(host).await;
                found.map_err(DialError::Lookup)?.iter().collect()
            }
        };
        let is_open = || {
            let name = host.to_owned();
            self.open.contains(&Host { name, port })
        };
        // A name that stands for a private address beside a public one is up to no good, too.
        if !addresses.iter().all(|address| is_public(*address)) && !is_open() {
            return Err(DialError::Prohibited);
        }
        match addresses.is_empty() {
            true => Err(DialError::NoAddress),
            false => Ok(addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, port))
                .collect()),
        }
    }

    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let mut failed = DialError::NoAddress;
        for address in self.addresses(host, port).await? {
            match tokio::time::timeout(DIAL_MAX, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small, and nobody waits for more to send.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = DialError::Connect(error),
                Err(_) => failed = DialError::TimedOut,
            }
        }
        Err(failed)
    }
}

fn resolver(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let builder = match servers {
        [] => Resolver::builder_tokio().ok()?,
        servers => Resolver::builder_with_config(asking(servers), TokioRuntimeProvider::default()),
    };
    builder.build().ok()
}

fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut it| {
            it.port = server.port();
            it
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}

/// Certificates of the platform that cannot be read are left out: there may be none, and no `https` then.
fn tls(roots: &[CertificateDer<'static>]) -> ClientConfig {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store.add_parsable_certificates(roots.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has every version")
        .with_root_certificates(store)
        .with_no_client_auth()
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the name cannot be looked up: {0}")]
    Lookup(NetError),
    #[error("this machine has no server to ask for names")]
    NoResolver,
    #[error("the name has no address")]
    NoAddress,
    #[error("the address is not a public one")]
    Prohibited,
    #[error("{0}")]
    Connect(std::io::Error),
    #[error("the address does not answer")]
    TimedOut,
}

/// Connects to checked addresses only.
#[derive(Clone)]
pub(super) struct Dialer(Arc<Network>);

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let network = Arc::clone(&self.0);
        Box::pin(async move {
            let host = uri.host().unwrap_or_default();
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let is_http = uri.scheme() == Some(&http::uri::Scheme::HTTP);
            let port = uri.port_u16().unwrap_or(if is_http { 80 } else { 443 });
            network.dial(host, port).await.map(TokioIo::new)
        })
    }
}
