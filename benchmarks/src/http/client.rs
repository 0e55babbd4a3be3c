//! A caller with one connection, kept open.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A request, to be sent any number of times.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// In `x-api-key`, where it is not empty.
    pub(crate) key: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

impl Call {
    /// Without key and body.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            key: String::new(),
            content_type: "application/json",
            body: Bytes::new(),
        }
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }

    pub(crate) fn with_json(self, body: &serde_json::Value) -> Self {
        Self {
            body: body.to_string().into(),
            ..self
        }
    }
}

pub(crate) struct Client {
    connection: SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Self {
            connection,
            host: address.to_string(),
        })
    }

    /// Status and body of the answer.
    pub(crate) async fn call(&mut self, call: &Call) -> anyhow::Result<(u16, Bytes)> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.path)
            .header("host", &self.host);
        if !call.key.is_empty() {
            request = request.header("x-api-key", &call.key);
        }
        if !call.body.is_empty() {
            request = request.header("content-type", call.content_type);
        }
        self.connection.ready().await?;
        let request = request.body(Full::new(call.body.clone()))?;
        let answer = self.connection.send_request(request).await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
