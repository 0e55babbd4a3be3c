//! Many connections that each send one request after the other: what a server answers in a second.
//!
//! A client as light as can be: it runs on the same cores as the server, and what it takes the server lacks.

use super::Call;
use crate::sample::Sample;
use anyhow::{Context, bail, ensure};
use hyper::body::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Headers of an answer that are looked at.
const HEADERS_MAX: usize = 32;
const READ_BYTES: usize = 4096;

/// What a server did under load.
#[derive(Debug)]
pub(crate) struct Sustained {
    pub(crate) requests_per_s: f64,
    /// Seconds that answers took.
    pub(crate) latencies: Sample,
}

/// Sends requests over so many connections for so long, one after the other on each; the `calls` take turns. Every
/// answer has to be a 200.
pub(crate) fn sustain(
    address: SocketAddr,
    calls: &[Call],
    connections: usize,
    time: Duration,
) -> anyhow::Result<Sustained> {
    let requests: Arc<[Bytes]> = calls.iter().map(|call| written(call, address)).collect();
    let tokio = super::one_thread()?;
    tokio.block_on(async {
        let mut callers = JoinSet::new();
        let mut streams = Vec::with_capacity(connections);
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let (started, end) = (Instant::now(), Instant::now() + time);
        for (index, stream) in streams.into_iter().enumerate() {
            // Each begins elsewhere, so that all of the calls have their turn.
            let first = index * requests.len() / connections;
            callers.spawn(call_until(stream, Arc::clone(&requests), first, end));
        }
        let mut latencies = Vec::new();
        while let Some(caller) = callers.join_next().await {
            latencies.extend(caller??);
        }
        Ok(Sustained {
            requests_per_s: latencies.len() as f64 / started.elapsed().as_secs_f64(),
            latencies: Sample::new(latencies),
        })
    })
}

async fn call_until(
    mut stream: TcpStream,
    requests: Arc<[Bytes]>,
    first: usize,
    end: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut answer = Vec::with_capacity(READ_BYTES);
    for request in requests.iter().cycle().skip(first) {
        let sent = Instant::now();
        if sent >= end {
            break;
        }
        stream.write_all(request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            let read = stream.read_buf(&mut answer).await?;
            ensure!(read > 0, "the server closed the connection");
        }
        latencies.push(sent.elapsed().as_secs_f64());
    }
    Ok(latencies)
}

/// Whether an answer is here to its end.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(answer)? else {
        return Ok(false);
    };
    let body = &answer[head_bytes..];
    if head.code != Some(200) {
        bail!("answered {:?}: {}", head.code, super::text(body));
    }
    let value = |name: &str| {
        let header = head.headers.iter();
        let mut named = header.filter(|header| header.name.eq_ignore_ascii_case(name));
        named.next().map(|header| header.value)
    };
    match value("content-length") {
        Some(length) => {
            let length: usize = std::str::from_utf8(length)?.parse()?;
            Ok(body.len() >= length)
        }
        None => {
            value("transfer-encoding").context("an answer without a length")?;
            Ok(body.ends_with(b"0\r\n\r\n"))
        }
    }
}

/// As it goes over the wire.
fn written(call: &Call, address: SocketAddr) -> Bytes {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: {address}\r\n",
        call.method, call.path
    );
    if !call.key.is_empty() {
        text += &format!("x-api-key: {}\r\n", call.key);
    }
    if !call.body.is_empty() {
        text += &format!("content-type: {}\r\n", call.content_type);
        text += &format!("content-length: {}\r\n", call.body.len());
    }
    text += "\r\n";
    [text.as_bytes(), &call.body].concat().into()
}
