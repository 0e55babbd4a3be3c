//! The door's client library as anybody would use it: no guest, no allowlist, no secrets.

use crate::upstream::{ANSWER_BYTES, Upstream};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What the upstream wants to see.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Whoever can ask the upstream.
pub(crate) trait Ask {
    /// Where it does.
    fn tokio(&self) -> &tokio::runtime::Runtime;

    /// So many requests, one after the other, each answer read to its end.
    fn ask(
        &self,
        times: u32,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<Self> + 'static;
}

pub(crate) type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

pub(crate) fn tokio() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// A client that trusts the upstream.
pub(crate) fn client<B>(upstream: &Upstream) -> anyhow::Result<Client<B>>
where
    B: Body + Send,
    B::Data: Send,
{
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&upstream.root_pem)?)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    let client = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .build(connector);
    Ok(client)
}

/// A client on a tokio of its own.
pub(crate) struct Outside {
    tokio: tokio::runtime::Runtime,
    client: Client<Empty<Bytes>>,
    url: String,
}

impl Outside {
    pub(crate) fn new(upstream: &Upstream) -> anyhow::Result<Self> {
        Ok(Self {
            tokio: tokio()?,
            client: client(upstream)?,
            url: upstream.url(),
        })
    }
}

impl Ask for Outside {
    fn tokio(&self) -> &tokio::runtime::Runtime {
        &self.tokio
    }

    fn ask(&self, times: u32) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (client, url) = (self.client.clone(), self.url.clone());
        async move {
            for _ in 0..times {
                let request = Request::get(&url).header("x-key", KEY);
                let response = client.request(request.body(Empty::new())?).await?;
                let body = response.into_body().collect().await?.to_bytes();
                anyhow::ensure!(body.len() == ANSWER_BYTES, "{} bytes", body.len());
            }
            Ok(())
        }
    }
}
