//! A host on the internet, as far as a tool can tell: a real server on this machine, with TLS of its own.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What the host saw of a request.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query, as they were sent.
    pub(super) uri: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) version: hyper::Version,
}

/// The host. Dropped, it is gone.
pub(super) struct Upstream {
    pub(super) port: u16,
    /// Whom to trust, to trust it.
    pub(super) root_pem: Vec<u8>,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    under_way: AtomicUsize,
    under_way_max: AtomicUsize,
}

type Body = BoxBody<Bytes, std::io::Error>;

impl Upstream {
    /// A host that speaks `https`, HTTP/2 too.
    pub(super) async fn https() -> Self {
        Self::speaking(&["h2", "http/1.1"]).await
    }

    /// A host that speaks `https` in those protocols, as ALPN names them.
    pub(super) async fn speaking(protocols: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has every version")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("its own key");
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(Some(acceptor), made.cert.pem().into_bytes()).await
    }

    /// A host that speaks plain `http`.
    pub(super) async fn http() -> Self {
        Self::start(None, Vec::new()).await
    }

    async fn start(acceptor: Option<TlsAcceptor>, root_pem: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&state)));
        Self {
            port,
            root_pem,
            state,
            accepting,
        }
    }

    /// `localhost:PORT`.
    pub(super) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("nobody panicked").clone()
    }

    /// The only request so far.
    pub(super) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().expect("one")
    }

    /// Connections made so far, whatever came over them.
    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were under way at once.
    pub(super) fn under_way_max(&self) -> usize {
        self.state.under_way_max.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(TokioIo::new(stream), state).await;
                    }
                }
                None => serve(TokioIo::<TcpStream>::new(stream), state).await,
            }
        });
    }
}

async fn serve<I>(io: I, state: Arc<State>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(|request| answer(request, Arc::clone(&state)));
    // A client that goes away is what some tests are about.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(io, service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Body>, std::io::Error> {
    let now = state.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    state.under_way_max.fetch_max(now, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = body.collect().await;
    let body = body.map(|it| it.to_bytes().to_vec()).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let seen = Seen {
        method: parts.method.to_string(),
        uri: parts
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: parts.headers,
        body,
        version: parts.version,
    };
    state
        .seen
        .lock()
        .expect("nobody panicked")
        .push(seen.clone());
    let answered = respond(&path, &seen).await;
    state.under_way.fetch_sub(1, Ordering::SeqCst);
    answered
}

/// What is asked for by the last parts of the path.
async fn respond(path: &str, seen: &Seen) -> Result<Response<Body>, std::io::Error> {
    let mut parts = path.rsplit('/');
    let (last, before) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let response = Response::builder();
    let built = match (before, last) {
        ("bytes" | "archive", count) => response.body(bytes_of(count.parse().unwrap_or(0))),
        (_, "echo") => response
            .header("x-echo", echoed_header(seen))
            .body(full(echo(seen))),
        (_, "coded") => response
            .header("content-encoding", "gzip")
            .body(full(echo(seen))),
        // A service as the weather tools expect it, which tells the key it was given wherever people would see it.
        (_, "weather") => response
            .header("x-echo", echoed_header(seen))
            .body(full(b"4".to_vec())),
        (_, "places") => response.body(full(format!("Oslo\n{}\n", seen.uri).into_bytes())),
        (_, "warn") => response.body(full(seen.uri.clone().into_bytes())),
        (_, "account") => response.body(full(echo(seen))),
        (_, "store") => response.body(full(seen.body.len().to_string().into_bytes())),
        (_, "orders") => response.body(full(b"order-1".to_vec())),
        (_, "redirect") => response
            .status(302)
            .header("location", "http://127.0.0.1/")
            .body(full(Vec::new())),
        (_, "large-header") => response
            .header("x-large", "x".repeat(1 << 20))
            .body(full(Vec::new())),
        (_, "dripping") => response.body(dripping()),
        (_, "broken") => response.body(broken()),
        (_, "slow") => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            response.body(full(Vec::new()))
        }
        (_, "silent") => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            response.body(full(Vec::new()))
        }
        _ => response.body(full(b"here".to_vec())),
    };
    Ok(built.expect("an answer"))
}

/// All of a request as text, cut into pieces of three bytes.
fn echo(seen: &Seen) -> Vec<u8> {
    let mut text = format!("{} {}\n", seen.method, seen.uri).into_bytes();
    for (name, value) in &seen.headers {
        text.extend(format!("{name}: ").into_bytes());
        text.extend(value.as_bytes());
        text.push(b'\n');
    }
    text.extend(&seen.body);
    text
}

fn echoed_header(seen: &Seen) -> Vec<u8> {
    let key = seen.headers.get("x-key");
    key.map(|it| it.as_bytes().to_vec()).unwrap_or_default()
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never: Infallible| match never {})
        .boxed()
}

fn frame(bytes: &'static [u8]) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from_static(bytes)))
}

fn bytes_of(count: u64) -> Body {
    const CHUNK: &[u8] = &[b'x'; 64 * 1024];
    let chunks = (0..count.div_ceil(CHUNK.len() as u64)).map(move |index| {
        let left = count - index * CHUNK.len() as u64;
        frame(&CHUNK[..left.min(CHUNK.len() as u64) as usize])
    });
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(chunks)))
}

/// A byte every 50 ms, for ever.
fn dripping() -> Body {
    let drops = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((frame(b"."), ()))
    });
    BodyExt::boxed(StreamBody::new(drops))
}

/// A body that ends before its end.
fn broken() -> Body {
    let failed = Err(std::io::Error::other("the host breaks off"));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter([
        frame(b"begun"),
        failed,
    ])))
}
