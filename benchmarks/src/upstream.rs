//! A host with TLS, in a process of its own, so that its CPU is nobody else's.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Bytes of an answer.
pub(crate) const ANSWER_BYTES: usize = 1024;

/// The host, for who calls it. Dropped, it is gone.
pub(crate) struct Upstream {
    process: Child,
    pub(crate) port: u16,
    /// Whom to trust, to trust it.
    pub(crate) root_pem: Vec<u8>,
}

impl Upstream {
    /// Starts it. It speaks that protocol only, as ALPN names it.
    pub(crate) fn start(protocol: &str) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["upstream", protocol])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = lines.next().context("the upstream did not start")??;
        let port = port.parse()?;
        let mut root_pem = Vec::new();
        for line in lines {
            let line = line?;
            root_pem.extend_from_slice(format!("{line}\n").as_bytes());
            if line.starts_with("-----END") {
                break;
            }
        }
        Ok(Self {
            process,
            port,
            root_pem,
        })
    }

    /// What is asked for.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/v1/key", self.host())
    }

    /// `localhost:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Is the host, until it is killed. Says its port and its certificate on standard output.
pub(crate) fn serve(protocol: &str) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let said = format!("{}\n{}", listener.local_addr()?.port(), made.cert.pem());
            // Whoever reads it may stop reading before the last byte.
            let _ = std::io::stdout().write_all(said.as_bytes());
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = auto::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service_fn(answer))
                            .await;
                    }
                });
            }
        })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // Read to its end, or the connection would not be kept.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(Bytes::from_static(
        &[b'x'; ANSWER_BYTES],
    ))))
}
