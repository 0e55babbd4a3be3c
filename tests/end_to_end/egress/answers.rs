//! Answers that are too large, too slow or broken off, and waiting for them: bounded memory and time, and an error the
//! tool can see.

use super::allowed::end;
use super::raw::{RawUpstream, Step, send};
use super::*;
use std::time::Instant;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tollgate_runtime::Status;

const MIB: u64 = 1024 * 1024;
const SECOND: u64 = 1_000_000_000;

async fn answering(steps: Vec<Step>) -> (RawUpstream, Courier) {
    let upstream = RawUpstream::start(steps).await;
    let courier = Courier::to_raw(&[&upstream]).await;
    (upstream, courier)
}

fn request_to(upstream: &RawUpstream) -> Value {
    json!({"request": get(format!("http://{}/", upstream.host()))})
}

/// Resident memory of this process.
pub(super) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    1024 * kib.expect("a number")
}

/// In a process of its own, whose memory nothing else uses.
#[test]
fn large_answers_take_little_memory() {
    alone("egress::answers::take_little_memory_here");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above"]
async fn take_little_memory_here() {
    let flood = || Step::Again(vec![b'x'; 64 * 1024], Duration::ZERO);
    let ten_gb = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        10_000 * MIB
    );
    let no_length = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let endless_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n";
    let long_line = "HTTP/1.1 200 OK\r\nx-long: ";
    let too_large = "HttpResponseBodySize";
    let cases = [
        ("a body of 10 GB", "download", ten_gb.as_str(), too_large),
        ("a body without a length", "download", no_length, too_large),
        ("a chunk of 64 GB", "download", endless_chunk, too_large),
        (
            "a body of 10 GB kept by the tool",
            "send",
            &ten_gb,
            too_large,
        ),
        (
            "a header without an end",
            "send",
            long_line,
            "HttpResponseHeaderSectionSize",
        ),
    ];
    for (label, function, head, expected) in cases {
        let (upstream, courier) = answering(vec![send(head), flood()]).await;
        let before = resident_bytes();
        let input = request_to(&upstream);
        let mut running = std::pin::pin!(courier.run(function, input));
        let mut peak = before;
        let outcome = loop {
            peak = peak.max(resident_bytes());
            tokio::select! {
                outcome = &mut running => break outcome,
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        };
        assert_eq!(end(&outcome), expected, "{label}");
        assert!(outcome.usage.egress_bytes_in <= 10 * MIB, "{label}");
        let more = peak.max(resident_bytes()) - before;
        assert!(more < 64 * MIB, "{label} took {} MiB", more / MIB);
        assert!(upstream.is_left().await, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_answers_are_bounded_in_bytes_and_in_number() {
    let with = |headers: String| format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
    let line = |bytes: usize| with(format!("x-long: {}\r\n", "x".repeat(bytes)));
    let lines = |count: usize| {
        let lines = (0..count).map(|index| format!("x-{index}: 1\r\n"));
        with(lines.collect())
    };
    let too_large = "HttpResponseHeaderSectionSize";
    let cases = [
        ("a line of 60 KiB", line(60 * 1024), "answered"),
        ("a line of 128 KiB", line(128 * 1024), too_large),
        ("a line of 1 MB", line(1_000_000), too_large),
        ("50 lines", lines(50), "answered"),
        ("1,000 lines", lines(1000), too_large),
        ("10,000 lines", lines(10_000), too_large),
    ];
    for (label, head, expected) in cases {
        let (upstream, courier) = answering(vec![send(head)]).await;
        let outcome = courier.run("send", request_to(&upstream)).await;
        assert_eq!(end(&outcome), expected, "{label}");
        assert!(
            expected == "answered" || upstream.is_left().await,
            "{label}"
        );
    }
}

/// Zeros, deflated by the code that needs no table: 13 bits for 258 of them.
fn gzip_bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut bits = Vec::new();
    // The last block, of fixed codes; a zero; then "258 bytes from one byte back", again and again; the end.
    bits.extend([1, 1, 0]);
    bits.extend([0, 0, 1, 1, 0, 0, 0, 0]);
    for _ in 0..400_000 {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    }
    bits.extend([0; 7]);
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    bytes.extend(bits.chunks(8).map(byte));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_is_the_tool_s_to_inflate() {
    let bomb = gzip_bomb();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let (upstream, courier) = answering(vec![send(head), send(bomb.clone())]).await;
    let outcome = courier.run("download", request_to(&upstream)).await;
    assert_eq!(result(&outcome), Ok(json!(bomb.len())));
    assert_eq!(outcome.usage.egress_bytes_in, bomb.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_broken_off_is_an_error_and_never_a_short_answer() {
    const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let cases = [
        ("before its head", String::new(), "HttpResponseIncomplete"),
        (
            "in its first line",
            "HTTP/1.1 2".to_owned(),
            "HttpResponseIncomplete",
        ),
        (
            "in a header",
            "HTTP/1.1 200 OK\r\ncontent-le".to_owned(),
            "HttpResponseIncomplete",
        ),
        (
            "before its body",
            LENGTH.to_owned(),
            "HttpResponseIncomplete",
        ),
        (
            "in its body",
            format!("{LENGTH}begun"),
            "HttpResponseIncomplete",
        ),
        (
            "in a chunk",
            format!("{CHUNKS}a\r\nbegun"),
            "HttpResponseIncomplete",
        ),
        (
            "between chunks",
            format!("{CHUNKS}5\r\nbegun\r\n"),
            "HttpResponseIncomplete",
        ),
        (
            "before the end of chunks",
            format!("{CHUNKS}5\r\nbegun\r\n0\r\n"),
            "HttpResponseIncomplete",
        ),
    ];
    for (label, answer, expected) in cases {
        let (upstream, courier) = answering(vec![send(answer), Step::Close]).await;
        let outcome = courier.run("send", request_to(&upstream)).await;
        assert_eq!(end(&outcome), expected, "{label}");
        assert!(upstream.is_left().await, "{label}");
        upstream.only();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_ends_with_the_run_and_so_does_its_connection() {
    let drip = |bytes: &str| Step::Again(bytes.into(), Duration::from_millis(50));
    let body = send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n");
    let cases = [
        ("a byte at a time", vec![body, drip(".")]),
        (
            "headers without an end",
            vec![send("HTTP/1.1 200 OK\r\n"), drip("x: y\r\n")],
        ),
        (
            "a header a byte at a time",
            vec![send("HTTP/1.1 200 OK\r\nx: "), drip("y")],
        ),
        (
            "interim answers without an end",
            vec![drip("HTTP/1.1 103 Early Hints\r\n\r\n")],
        ),
        ("silence", vec![]),
    ];
    for (label, script) in cases {
        let (upstream, courier) = answering(script).await;
        let started = Instant::now();
        let input = request_to(&upstream);
        let outcome = courier.run_within("send", input, seconds(1.0)).await;
        let took = started.elapsed();
        assert_eq!(outcome.status(), Status::TimedOut, "{label}: {outcome:?}");
        // A second more would do, were this the only test.
        assert!(took < Duration::from_secs(10), "{label} took {took:?}");
        assert!(upstream.is_left().await, "{label}");
        upstream.only();
    }
}

/// A place where connections are never made: the one that is waited for is there already.
struct Full {
    host: String,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Full {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let listener = socket.listen(0).expect("it listens");
        let address = listener.local_addr().expect("bound");
        let mut waiting = Vec::new();
        let soon = Duration::from_millis(200);
        while let Ok(made) = tokio::time::timeout(soon, TcpStream::connect(address)).await {
            waiting.push(made.expect("there is room"));
            assert!(waiting.len() < 64, "it is never full");
        }
        Self {
            host: format!("localhost:{}", address.port()),
            _listener: listener,
            _waiting: waiting,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_of_any_length_end_at_their_time_or_with_the_run() {
    const LONG: u64 = 60 * SECOND;
    const HUGE: u64 = 1 << 63;
    // The clock's own tick is longer than the time given: a connection may be made before it.
    const SOON: &str = "any time-out, by what came first";
    let silent = RawUpstream::start(vec![]).await;
    let halting = vec![send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun")];
    let halting = RawUpstream::start(halting).await;
    let full = Full::start().await;
    let network = NetworkConfig {
        open: [silent.host(), halting.host(), full.host.clone()]
            .iter()
            .map(|host| host.parse().expect("a host"))
            .collect(),
        ..NetworkConfig::default()
    };
    let rules: Vec<_> = network
        .open
        .iter()
        .map(|it| format!("http://{it}"))
        .collect();
    let courier = Courier::by(network, &rules).await;
    let (silent, halting, full) = (silent.host(), halting.host(), full.host.clone());
    let cases = [
        (&full, [0, LONG, LONG], "ConnectionTimeout"),
        (&full, [1, LONG, LONG], "ConnectionTimeout"),
        (&full, [HUGE, LONG, LONG], "timeout"),
        (&full, [u64::MAX; 3], "timeout"),
        (&full, [LONG, 0, LONG], "timeout"),
        (&full, [LONG, LONG, 0], "timeout"),
        (&silent, [0, LONG, LONG], SOON),
        (&silent, [1, LONG, LONG], SOON),
        (&silent, [LONG, 0, LONG], "ConnectionReadTimeout"),
        (&silent, [LONG, 1, LONG], "ConnectionReadTimeout"),
        (&silent, [LONG, HUGE, LONG], "timeout"),
        (&silent, [HUGE, LONG, LONG], "timeout"),
        (&silent, [LONG, LONG, 0], "timeout"),
        (&silent, [u64::MAX; 3], "timeout"),
        (&halting, [LONG, LONG, 0], "ConnectionReadTimeout"),
        (&halting, [LONG, LONG, 1], "ConnectionReadTimeout"),
        (&halting, [LONG, LONG, HUGE], "timeout"),
        (&halting, [u64::MAX; 3], "timeout"),
        (&full, [0; 3], "ConnectionTimeout"),
        (&silent, [0; 3], SOON),
        (&halting, [0; 3], SOON),
    ];
    let runs = cases.map(|(host, times, expected)| {
        let courier = &courier;
        let [connect, first_byte, between_bytes] = times;
        let input = json!({
            "request": get(format!("http://{host}/")),
            "connect": connect, "first-byte": first_byte, "between-bytes": between_bytes,
        });
        async move {
            let started = Instant::now();
            // A connection that another request left would need no time to be made.
            let owner = format!("{host} {times:?}");
            // On a busy machine a run may take seconds until it waits: what is to end before its limit has time.
            let limit = match expected {
                SOON | "timeout" => seconds(3.0),
                _ => seconds(45.0),
            };
            let outcome = courier.run_of(&owner, "send-within", input, limit);
            let outcome = outcome.await;
            (host, times, end(&outcome), expected, started.elapsed())
        }
    });
    for (host, times, ended, expected, took) in futures_util::future::join_all(runs).await {
        let is_expected = match expected {
            SOON => {
                ["ConnectionTimeout", "ConnectionReadTimeout", "timeout"].contains(&ended.as_str())
            }
            expected => ended == expected,
        };
        assert!(is_expected, "{host} {times:?}: {ended}");
        assert!(took < Duration::from_secs(30), "{host} {times:?}: {took:?}");
    }
}
