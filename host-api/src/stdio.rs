//! The door to standard streams: input is the run's input, output is kept up to a limit, and what is meant for
//! people goes to the log.

use crate::budget::{BudgetExhausted, Lease};
use crate::limit::LimitExceeded;
use crate::logs::{LogStream, Logs};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

/// The most bytes taken in one write. A guest that writes more is asked to write again.
const WRITE_BYTES: usize = 64 * 1024;

/// Standard input: the bytes of the run's input, then the end.
pub(crate) struct Input(pub(crate) MemoryInputPipe);

impl Input {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(MemoryInputPipe::new(bytes))
    }
}

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        self.0.async_stream()
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.0.clone())
    }
}

/// Standard output of a command: kept whole, up to its limit. Clones share it.
#[derive(Clone)]
pub struct Output {
    shared: Arc<Mutex<Kept>>,
    bytes_max: usize,
}

struct Kept {
    bytes: BytesMut,
    lease: Lease,
}

impl Output {
    /// Keeps at most `bytes_max`, out of `lease`'s budget.
    pub fn new(bytes_max: usize, lease: Lease) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Kept {
                bytes: BytesMut::new(),
                lease,
            })),
            bytes_max,
        }
    }

    /// What was written so far.
    pub fn take(&self) -> Bytes {
        std::mem::take(
            &mut self
                .shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .bytes,
        )
        .freeze()
    }

    fn append(&self, bytes: &[u8]) -> Result<(), OutputRefused> {
        let mut kept = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() > self.bytes_max - kept.bytes.len() {
            return Err(LimitExceeded { limit: "output" }.into());
        }
        kept.lease.try_grow(bytes.len() as u64)?;
        kept.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum OutputRefused {
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    #[error(transparent)]
    Budget(#[from] BudgetExhausted),
}

impl From<OutputRefused> for StreamError {
    fn from(refused: OutputRefused) -> Self {
        StreamError::Trap(match refused {
            OutputRefused::Limit(limit) => limit.into(),
            OutputRefused::Budget(budget) => budget.into(),
        })
    }
}

/// Where a guest's standard output or error goes.
#[derive(Clone)]
pub(crate) enum Sink {
    Output(Output),
    Log(Logs, LogStream),
}

impl Sink {
    fn append(&self, bytes: &[u8]) -> StreamResult<()> {
        match self {
            Sink::Output(output) => Ok(output.append(bytes)?),
            Sink::Log(logs, stream) => {
                logs.write(*stream, bytes);
                Ok(())
            }
        }
    }
}

impl IsTerminal for Sink {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Sink {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Sink {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Sink {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES {
            return Err(StreamError::trap(
                "a write went past what check-write allowed",
            ));
        }
        self.append(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(match self.append(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(refused) => Err(std::io::Error::other(refused)),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn output_is_kept_up_to_its_limit() {
        let output = Output::new(
            4,
            Budget::new("host buffers", 4096).lease(&std::sync::Arc::from("")),
        );
        assert!(output.append(b"abc").is_ok());
        assert!(output.append(b"d").is_ok(), "exactly the limit");
        assert!(matches!(
            output.append(b"e"),
            Err(OutputRefused::Limit(LimitExceeded { limit: "output" }))
        ));
        assert_eq!(&output.take()[..], b"abcd");
    }

    #[test]
    fn output_is_taken_out_of_the_process_budget() {
        let output = Output::new(
            10_000,
            Budget::new("host buffers", 4096).lease(&std::sync::Arc::from("")),
        );
        assert!(output.append(&[0; 4096]).is_ok());
        assert!(matches!(output.append(b"x"), Err(OutputRefused::Budget(_))));
    }
}
