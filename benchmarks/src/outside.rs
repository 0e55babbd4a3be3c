//! The door's client library as anybody would use it: no guest, no allowlist, no secrets.

use crate::upstream::{ANSWER_BYTES, Upstream};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A client on a tokio of its own.
pub(crate) struct Outside {
    pub(crate) tokio: tokio::runtime::Runtime,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: String,
}

impl Outside {
    pub(crate) fn new(upstream: &Upstream, key: &str) -> anyhow::Result<Self> {
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
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .build(connector);
        let url = format!("https://{}/v1/{key}", upstream.host());
        Ok(Self { tokio, client, url })
    }

    /// So many requests, one after the other, each answer read to its end.
    pub(crate) fn ask(
        &self,
        times: u32,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (client, url) = (self.client.clone(), self.url.clone());
        async move {
            for _ in 0..times {
                let request =
                    Request::get(&url).header("x-key", "0123456789abcdef0123456789abcdef");
                let response = client.request(request.body(Empty::new())?).await?;
                let body = response.into_body().collect().await?.to_bytes();
                anyhow::ensure!(body.len() == ANSWER_BYTES, "{} bytes", body.len());
            }
            Ok(())
        }
    }
}
