use super::*;
use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const REQUEST: &[u8] = b"GET /quick HTTP/1.1\r\nhost: here\r\n\r\n";
/// Longer than anything takes, shorter than anybody waits.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// A server at work, until it is told to stop.
struct Server {
    address: SocketAddr,
    stopping: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(edge: Edge) -> Self {
        let slow = async || {
            tokio::time::sleep(SHORT).await;
            "slow"
        };
        let large = async || Bytes::from(vec![b'x'; 64 << 20]);
        let router = Router::new()
            .route("/quick", get(async || "quick"))
            .route("/slow", get(slow))
            .route("/large", get(large))
            .route("/never", get(std::future::pending::<()>))
            .route("/panic", get(async || -> String { panic!("on purpose") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stopping, stop) = oneshot::channel();
        let task = tokio::spawn(accept(
            listener,
            Observed::new(router, [""; 0], Arc::default(), Duration::from_secs(10)),
            edge,
            async {
                let _ = stop.await;
            },
        ));
        Self {
            address,
            stopping: Some(stopping),
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address)
            .await
            .expect("a connection")
    }

    fn stop(&mut self) {
        self.stopping = None;
    }

    async fn ended(self) {
        let ended = tokio::time::timeout(LONG, self.task).await;
        ended.expect("it ends in time").expect("no panic");
    }
}

fn edge() -> Edge {
    Edge {
        connections: 100,
        connections_per_address: usize::MAX,
        header_timeout: LONG,
        write_timeout: LONG,
        drain: LONG,
    }
}

/// Everything until the connection ends, however it ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes));
    let _ = reading.await.expect("the connection ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As much as contains `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let byte = tokio::time::timeout(LONG, stream.read_u8()).await;
        let byte = byte.expect("in time").expect("a byte");
        text.push(char::from(byte));
    }
    text
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let server = Server::start(edge()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(REQUEST).await.expect("sent");
        let answer = until(&mut stream, "quick").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-request-id: req_"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_dawdles_is_cut() {
    let server = Server::start(Edge {
        header_timeout: SHORT,
        ..edge()
    })
    .await;
    // It says nothing; it says half; it says nothing more after its first answer.
    for said in [&b""[..], b"GET /quick HTTP/1.1\r\nho", REQUEST] {
        let begun = Instant::now();
        let mut stream = server.connect().await;
        stream.write_all(said).await.expect("sent");
        let answer = rest(&mut stream).await;
        assert_eq!(answer.is_empty(), said != REQUEST, "{answer}");
        assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    }
    // A byte at a time earns no more time.
    let mut stream = server.connect().await;
    let dripping = async {
        for byte in REQUEST.iter().cycle() {
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
            tokio::time::sleep(SHORT / 6).await;
        }
    };
    tokio::time::timeout(LONG, dripping).await.expect("cut");
    // Headers that came in time give a handler all of its own.
    let mut stream = server.connect().await;
    let slow = b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n";
    stream.write_all(slow).await.expect("sent");
    assert!(rest(&mut stream).await.ends_with("slow"));
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let server = Server::start(Edge {
        write_timeout: SHORT,
        connections: 1,
        ..edge()
    })
    .await;
    let mut stuck = server.connect().await;
    let large = b"GET /large HTTP/1.1\r\nhost: here\r\n\r\n";
    stuck.write_all(large).await.expect("sent");
    until(&mut stuck, "\r\n\r\n").await;
    let begun = Instant::now();
    loop {
        // The one place is free again once the stuck client is cut.
        let mut stream = server.connect().await;
        let _ = stream.write_all(b"GET /quick HTTP/1.0\r\n\r\n").await;
        if rest(&mut stream).await.ends_with("quick") {
            break;
        }
        assert!(begun.elapsed() < LONG);
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = Server::start(Edge {
        connections: 2,
        ..edge()
    })
    .await;
    let mut first = server.connect().await;
    first.write_all(REQUEST).await.expect("sent");
    until(&mut first, "quick").await;
    let mut second = server.connect().await;
    second.write_all(REQUEST).await.expect("sent");
    until(&mut second, "quick").await;
    for _ in 0..3 {
        let mut third = server.connect().await;
        third.write_all(REQUEST).await.expect("sent");
        third.shutdown().await.expect("shut");
        let answer = rest(&mut third).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\"code\":\"at_capacity\""), "{answer}");
        assert!(answer.contains("\"request_id\":\"req_"), "{answer}");
    }
    drop(first);
    second.write_all(REQUEST).await.expect("sent");
    until(&mut second, "quick").await;
    let begun = Instant::now();
    loop {
        let mut stream = server.connect().await;
        let _ = stream.write_all(b"GET /quick HTTP/1.0\r\n\r\n").await;
        if rest(&mut stream).await.ends_with("quick") {
            break;
        }
        assert!(begun.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_panic_leaves_its_connection_open() {
    let server = Server::start(edge()).await;
    let mut stream = server.connect().await;
    let panic = b"GET /panic HTTP/1.1\r\nhost: here\r\n\r\n";
    stream.write_all(panic).await.expect("sent");
    let answer = until(&mut stream, "}").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"));
    stream.write_all(REQUEST).await.expect("sent");
    until(&mut stream, "quick").await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_at_the_end() {
    let mut server = Server::start(edge()).await;
    let mut idle = server.connect().await;
    idle.write_all(REQUEST).await.expect("sent");
    until(&mut idle, "quick").await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    let slow = b"GET /slow HTTP/1.1\r\nhost: here\r\n\r\n";
    busy.write_all(slow).await.expect("sent");
    // Accepted in turn: where this one is answered, the others are being served.
    let mut last = server.connect().await;
    last.write_all(REQUEST).await.expect("sent");
    until(&mut last, "quick").await;
    server.stop();
    let answer = rest(&mut busy).await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("slow"), "{answer}");
    for stream in [&mut idle, &mut silent, &mut last] {
        assert_eq!(rest(stream).await, "");
    }
    let address = server.address;
    server.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_does_not_finish_is_dropped_at_the_end() {
    let mut server = Server::start(Edge {
        drain: SHORT,
        ..edge()
    })
    .await;
    let mut stuck = server.connect().await;
    let never = b"GET /never HTTP/1.1\r\nhost: here\r\n\r\n";
    stuck.write_all(never).await.expect("sent");
    let mut last = server.connect().await;
    last.write_all(REQUEST).await.expect("sent");
    until(&mut last, "quick").await;
    let begun = Instant::now();
    server.stop();
    server.ended().await;
    assert!(begun.elapsed() >= SHORT);
    assert_eq!(rest(&mut stuck).await, "");
}
