//! A host by the byte: it keeps every byte it is sent, and answers with what no honest server would.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet};

/// What the host does once a whole request is there, one step after the other. Nothing is to never answer.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// The same again and again, for ever, with a pause after each.
    Again(Vec<u8>, Duration),
    /// Nothing more will be sent over this connection. What comes is still read.
    Close,
}

/// The host. Dropped, it is gone.
pub(super) struct RawUpstream {
    pub(super) port: u16,
    connections: Arc<Mutex<Vec<Connection>>>,
    accepting: JoinHandle<()>,
}

/// What came over one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    pub(super) received: Vec<u8>,
    /// The client closed it, or reset it.
    pub(super) is_closed: bool,
}

/// A request as its bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Method, target, version.
    pub(super) line: String,
    /// Names and values, as they were written.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// One step of a script: bytes to send.
pub(super) fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

impl RawUpstream {
    /// On 127.0.0.1, at a port of its own. Every request is answered alike.
    pub(super) async fn start(script: Vec<Step>) -> Self {
        Self::in_turn(vec![script]).await
    }

    /// The requests of each connection are answered by one script after the other, all further ones by the last.
    pub(super) async fn in_turn(scripts: Vec<Vec<Step>>) -> Self {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::at(at, scripts).await.expect("a port")
    }

    pub(super) async fn at(address: SocketAddr, scripts: Vec<Vec<Step>>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        let connections = Arc::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&connections), scripts));
        Ok(Self {
            port,
            connections,
            accepting,
        })
    }

    /// `localhost:PORT`.
    pub(super) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().expect("nobody panicked").clone()
    }

    /// The requests of the only connection so far. Nothing was sent beside them.
    pub(super) fn requests(&self) -> Vec<Message> {
        let connections = self.connections();
        let [connection] = connections.as_slice() else {
            panic!("not one connection: {connections:?}");
        };
        let mut rest = connection.received.as_slice();
        let mut requests = Vec::new();
        while let Some((request, length)) = message(rest) {
            requests.push(request);
            rest = &rest[length..];
        }
        let beside = String::from_utf8_lossy(rest);
        assert_eq!(beside, "", "after {requests:?}");
        requests
    }

    /// The only request so far, and nothing was sent beside it.
    pub(super) fn only(&self) -> Message {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Whether there were connections, and the client closes every one within five seconds.
    pub(super) async fn is_left(&self) -> bool {
        let is_left = |connections: &[Connection]| {
            !connections.is_empty() && connections.iter().all(|it| it.is_closed)
        };
        self.holds(is_left).await
    }

    /// Whether nobody has connected. A connection of our own is accepted after all that came before it.
    pub(super) async fn is_untouched(&self, address: SocketAddr) -> bool {
        let _own = TcpStream::connect(address).await.expect("it listens");
        assert!(self.holds(|connections| !connections.is_empty()).await);
        self.connections().len() == 1
    }

    async fn holds(&self, condition: impl Fn(&[Connection]) -> bool) -> bool {
        let comes_true = async {
            while !condition(&self.connections()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(5), comes_true).await;
        waited.is_ok()
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    connections: Arc<Mutex<Vec<Connection>>>,
    scripts: Vec<Vec<Step>>,
) {
    // Dropped with this task, and they with it.
    let mut serving = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let index = {
            let mut connections = connections.lock().expect("nobody panicked");
            connections.push(Connection::default());
            connections.len() - 1
        };
        let (read, write) = stream.into_split();
        let (ask, asked) = unbounded_channel();
        let (connections, scripts) = (Arc::clone(&connections), scripts.clone());
        serving.spawn(async move {
            let note = |bytes: Option<&[u8]>| {
                let mut connections = connections.lock().expect("nobody panicked");
                let connection = &mut connections[index];
                match bytes {
                    Some(bytes) => connection.received.extend(bytes),
                    None => connection.is_closed = true,
                }
            };
            tokio::select! {
                () = receive(read, ask, note) => {}
                () = answer(write, asked, scripts) => {}
            }
        });
    }
}

/// Until the client closes. Nothing is noted then.
async fn receive(mut read: OwnedReadHalf, ask: UnboundedSender<()>, note: impl Fn(Option<&[u8]>)) {
    let mut pending = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match read.read(&mut buffer).await {
            Ok(0) | Err(_) => return note(None),
            Ok(length) => {
                note(Some(&buffer[..length]));
                pending.extend(&buffer[..length]);
            }
        }
        while let Some((_, length)) = message(&pending) {
            pending.drain(..length);
            let _ = ask.send(());
        }
    }
}

/// For ever: it is the client's end that ends it.
async fn answer(
    mut write: OwnedWriteHalf,
    mut asked: UnboundedReceiver<()>,
    scripts: Vec<Vec<Step>>,
) {
    let mut turns = scripts.iter().chain(scripts.last().into_iter().cycle());
    while let (Some(()), Some(script)) = (asked.recv().await, turns.next()) {
        // A client that goes away is what some tests are about.
        if play(&mut write, script).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

async fn play(write: &mut OwnedWriteHalf, script: &[Step]) -> std::io::Result<()> {
    for step in script {
        match step {
            Step::Send(bytes) => write.write_all(bytes).await?,
            Step::Again(bytes, pause) => loop {
                write.write_all(bytes).await?;
                if !pause.is_zero() {
                    tokio::time::sleep(*pause).await;
                }
            },
            Step::Close => write.shutdown().await?,
        }
    }
    Ok(())
}

/// The first request and its length, once all of it is there.
pub(super) fn message(bytes: &[u8]) -> Option<(Message, usize)> {
    let end = position(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next()?;
    let headers: Vec<(String, String)> = lines
        .map(|line| match line.split_once(": ") {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        })
        .collect();
    let start = end + 4;
    let of = |name: &str| headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
    let (body, length) = match (of("content-length"), of("transfer-encoding")) {
        (Some((_, length)), _) => {
            let length = length.parse().ok()?;
            (
                bytes.get(start..start.checked_add(length)?)?.to_vec(),
                length,
            )
        }
        (None, Some(_)) => chunked(&bytes[start..])?,
        (None, None) => (Vec::new(), 0),
    };
    let message = Message {
        line,
        headers,
        body,
    };
    Some((message, start + length))
}

/// A body in chunks, and how many bytes it takes written so.
fn chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = position(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        body.extend(bytes.get(at..at + size)?);
        at += size + 2;
        if size == 0 {
            return (at <= bytes.len()).then_some((body, at));
        }
        bytes.get(..at)?;
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|it| it == part)
}
