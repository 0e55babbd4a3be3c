//! What a component writes into a file by a stream, behind the quota.

use super::quota::{Quota, Refusal};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use wasmtime_wasi::p2::DynOutputStream;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError, StreamResult};

/// A stream into a file that asks the quota before each write.
pub(crate) struct QuotaStream {
    inner: DynOutputStream,
    quota: Arc<Quota>,
    /// Where the next byte lands; `None` when appending: then only the total counts.
    position: Option<u64>,
}

impl QuotaStream {
    pub(crate) fn new(inner: DynOutputStream, quota: Arc<Quota>, position: Option<u64>) -> Self {
        Self {
            inner,
            quota,
            position,
        }
    }
}

#[async_trait]
impl Pollable for QuotaStream {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait]
impl OutputStream for QuotaStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let length = bytes.len() as u64;
        self.quota
            .write(self.position.unwrap_or(0), length)
            .map_err(stream_error)?;
        if let Some(position) = &mut self.position {
            *position += length;
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// The refusal as the guest's `filesystem-error-code` reads it back.
fn stream_error(refusal: Refusal) -> StreamError {
    let kind = match refusal {
        Refusal::Quota => std::io::ErrorKind::QuotaExceeded,
        Refusal::FileTooLarge => std::io::ErrorKind::FileTooLarge,
        Refusal::NoSpace => std::io::ErrorKind::StorageFull,
    };
    StreamError::LastOperationFailed(std::io::Error::from(kind).into())
}
