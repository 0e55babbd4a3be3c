//! What a host's own imports await: tokio's timers and sockets work while they serve a guest.

use super::{calls_host, runtime};
use serde_json::json;
use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tollgate_runtime::{ProcessLimits, Run, Runtime, RuntimeConfig, wasmtime};
use tollgate_tests::{load, output, seconds};

pub(super) async fn byte_from(port: u16) -> wasmtime::Result<u32> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    Ok(stream.read_u8().await?.into())
}

async fn serve_a_guest(runtime: &Runtime) {
    let sleeps = load(runtime, &calls_host("sleep")).await;
    let run = Run::only(json!({"with": 300})).limits(seconds(20.0));
    let outcome = sleeps.run(run).await.expect("it starts");
    assert_eq!(outcome.result, Ok(json!(7).into()));
    let host_us = outcome.usage.host_us;
    assert!(host_us >= 299_000, "slept {host_us} µs of 300,000");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a guest calls");
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(&[42]).expect("it reads");
    });
    let reads = load(runtime, &calls_host("read")).await;
    let run = Run::only(json!({"with": port})).limits(seconds(20.0));
    assert_eq!(output(reads.run(run).await), json!(42));
    server.join().expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_runtime_s_own_tokio() {
    let scratch = tempfile::tempdir().expect("a folder");
    serve_a_guest(&runtime(ProcessLimits::default(), scratch.path())).await;
}

#[test]
fn on_a_tokio_of_the_caller_s_with_one_thread() {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("tokio");
    let runtime = Runtime::new(RuntimeConfig {
        tokio: Some(tokio.handle().clone()),
        imports: Some(super::imports()),
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts");
    tokio.block_on(serve_a_guest(&runtime));
}
