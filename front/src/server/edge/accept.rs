//! Connections: how many, how long each may dawdle, and how they end.

use super::addresses::Addresses;
use super::observe::{Observed, RequestId};
use super::peer::Peer;
use super::stall::Stalling;
use crate::config::Config;
use crate::problem::answer;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The most bytes of a request's head, and of what is read ahead of a body, for each connection.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Connections at once that are told there is no place; others are closed without a word.
const FAREWELLS: usize = 64;
/// How long telling that may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// The most bytes of a request read after its connection was told that there is no place.
const FAREWELL_BYTES_MAX: u64 = 64 * 1024;
/// How long nothing is accepted after accepting failed: files come back as connections end.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What holds at the edge.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    /// Connections open at once.
    pub(crate) connections: usize,
    /// Those of one address, or of one /64 of IPv6.
    pub(crate) connections_per_address: usize,
    /// From a connection's start, or its last answer, to the end of the next request's headers.
    pub(crate) header_timeout: Duration,
    /// How long an answer may wait for its client to take more of it.
    pub(crate) write_timeout: Duration,
    /// How long requests under way are waited for at the end.
    pub(crate) drain: Duration,
}

impl Edge {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            connections: config.connections,
            connections_per_address: config.connections_per_address(),
            header_timeout: Duration::from_millis(config.header_timeout_ms),
            write_timeout: Duration::from_millis(config.body_timeout_ms),
            drain: Duration::from_millis(config.drain_ms),
        }
    }
}

/// Serves the routes on the listener until `stop`; then accepts no more, tells clients that their connection
/// closes, waits for the requests under way and, after `edge.drain`, drops what is left.
pub(crate) async fn accept(
    listener: TcpListener,
    observed: Observed,
    edge: Edge,
    stop: impl Future<Output = ()>,
) {
    let http = http(&edge);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(edge.connections));
    let addresses = Addresses::new(edge.connections_per_address);
    let farewells = Arc::new(Semaphore::new(FAREWELLS));
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = next(&listener) => accepted,
        };
        // What ended since; a panic ends its own connection only, and the hook has logged it.
        while tasks.try_join_next().is_some() {}
        let place = addresses
            .enter(peer.0)
            .zip(places.clone().try_acquire_owned().ok());
        if let Some(place) = place {
            let io = TokioIo::new(Stalling::new(stream, edge.write_timeout));
            let observed = observed.clone();
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(peer);
                let observed = observed.clone();
                async move { Ok::<_, Infallible>(observed.answer(request).await) }
            });
            let connection = graceful.watch(http.serve_connection(io, service));
            tasks.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection broke");
                }
                drop(place);
            });
        } else if let Ok(place) = farewells.clone().try_acquire_owned() {
            ::metrics::counter!("tollgate_connections_turned_away_total").increment(1);
            tasks.spawn(async move {
                // Whether it was heard or not, the connection is over.
                let _ = tokio::time::timeout(FAREWELL, turn_away(stream)).await;
                drop(place);
            });
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(edge.drain, graceful.shutdown()).await;
    if drained.is_err() {
        while tasks.try_join_next().is_some() {}
        tracing::warn!(connections = tasks.len(), "connections were cut at the end");
    }
}

/// The timeout of headers runs from a connection's first moment and between requests, too.
fn http(edge: &Edge) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(edge.header_timeout)
        .max_buf_size(BUFFER_BYTES_MAX)
        .keep_alive(true);
    http
}

/// The next connection. One that broke before it was accepted is nobody's matter; where no more files can be
/// opened, the wait is for connections to end.
async fn next(listener: &TcpListener) -> (TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are written whole; a socket that cannot be told so is slower, not wrong.
                let _ = stream.set_nodelay(true);
                return (stream, Peer(address.ip()));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Says that there is no place. What the client sent is read before closing: closing over unread bytes resets the
/// connection, and the client may never see the answer.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    let answer = answer::turned_away(&RequestId::new().to_string());
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(FAREWELL_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
