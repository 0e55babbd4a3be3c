//! Requests that no client would make, and their answers as they come.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use tollgate_tests::server::{Answer, Caller};

/// The most that is sent of a body without end.
const BYTES_MAX: usize = 1 << 30;

/// What became of a body without end.
pub(super) struct Chunks {
    pub(super) answer: Answer,
    /// Bytes of it that went out.
    pub(super) sent: usize,
}

/// The head of a request, to which what frames its body is added.
pub(in crate::http) fn head(
    method: &str,
    path: &str,
    caller: &Caller,
    content_type: &str,
) -> String {
    let key = match caller.key.as_str() {
        "" => String::new(),
        key => format!("x-api-key: {key}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{key}content-type: {content_type}\r\n")
}

/// Sends bytes, and nothing after them, and waits for the answer.
pub(super) fn answered(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connected(address);
    stream.write_all(bytes).expect("sent");
    read(&mut stream)
}

/// Sends chunks until the server takes no more.
pub(super) fn endless(address: SocketAddr, head: &str) -> Chunks {
    let mut stream = connected(address);
    let mut reading = stream.try_clone().expect("a second handle");
    let answer = std::thread::spawn(move || {
        let answer = read(&mut reading);
        // Ends the sender, too, where the server reads on.
        let _ = reading.shutdown(Shutdown::Both);
        answer
    });
    let start = format!("{head}transfer-encoding: chunked\r\n\r\n");
    stream.write_all(start.as_bytes()).expect("sent");
    let data = vec![b' '; 64 * 1024];
    let chunk = [b"10000\r\n", &data[..], b"\r\n"].concat();
    let mut sent = 0;
    while sent < BYTES_MAX && stream.write_all(&chunk).is_ok() {
        sent += data.len();
    }
    Chunks {
        answer: answer.join().expect("an answer"),
        sent,
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a timeout");
    stream.set_write_timeout(patience).expect("a timeout");
    stream
}

/// An answer with a `Content-Length`.
fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        if let Some(answer) = whole(&bytes) {
            return answer;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(length @ 1..) => bytes.extend(&piece[..length]),
            ended => panic!("{ended:?} after {}", String::from_utf8_lossy(&bytes)),
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut answer = Answer {
        status,
        headers: Default::default(),
        body: serde_json::Value::Null,
    };
    answer.headers = lines
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.trim().parse().ok()?)))
        .collect();
    let length: usize = answer
        .headers
        .get("content-length")?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    answer.body = tollgate_tests::json(body.get(..length)?);
    Some(answer)
}
