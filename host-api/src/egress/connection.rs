//! One connection: the place it has among its owner's and among all, and how old it gets.

use hyper_util::client::legacy::connect::{self, Connected};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// How old a connection may be when a request is made over it that is not its last.
const TAKES_REQUESTS_FOR: Duration = Duration::from_secs(60);
/// How old it may get at all, with the last request and the wait before that. A host may leave a connection in a state
/// that nothing else ends: it never reads, or never lets a stream begin.
pub(super) const LASTS_FOR: Duration = Duration::from_secs(130);

/// A connection to a checked address. Its places are free when it is closed.
pub(super) struct Connection {
    stream: TcpStream,
    began: Began,
    end: Pin<Box<Sleep>>,
    _places: [OwnedSemaphorePermit; 2],
}

/// When a connection was made.
#[derive(Clone, Copy)]
struct Began(Instant);

impl Connection {
    pub(super) fn new(stream: TcpStream, places: [OwnedSemaphorePermit; 2]) -> TokioIo<Self> {
        TokioIo::new(Self {
            stream,
            began: Began(Instant::now()),
            end: Box::pin(tokio::time::sleep(LASTS_FOR)),
            _places: places,
        })
    }

    /// The stream, unless it has lasted too long. Who waits for it is woken then.
    fn stream(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Result<Pin<&mut TcpStream>, io::Error> {
        let this = self.get_mut();
        match this.end.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut this.stream)),
        }
    }
}

/// Makes a request the last one over its connection, if that is old.
pub(super) fn retire(connected: &Connected) {
    let mut extensions = http::Extensions::new();
    connected.get_extras(&mut extensions);
    let began = extensions.get::<Began>();
    if began.is_some_and(|began| began.0.elapsed() > TAKES_REQUESTS_FOR) {
        connected.poison();
    }
}

impl connect::Connection for Connection {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.began)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_shutdown(cx)
    }
}
