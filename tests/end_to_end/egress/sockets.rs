//! Sockets, which no tool is granted: not a packet goes out, wherever it would have been taken.

use super::names::Names;
use super::raw::RawUpstream;
use super::*;
use tokio::net::UdpSocket;

/// Both protocols at one port.
async fn listen() -> (RawUpstream, UdpSocket) {
    loop {
        let tcp = RawUpstream::start(vec![]).await;
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", tcp.port)).await {
            return (tcp, udp);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_and_names_send_no_packet() {
    let (tcp, udp) = listen().await;
    let names = Names::answering(|_, _, _| Some(vec!["127.0.0.1".parse().expect("an address")]));
    let names = names.await;
    // The operator opened the place; the manifest lets the tool go nowhere.
    let network = NetworkConfig {
        open: vec![format!("127.0.0.1:{}", tcp.port).parse().expect("a host")],
        nameservers: vec![names.address],
        ..NetworkConfig::default()
    };
    let runtime = Runtime::new(RuntimeConfig {
        network,
        ..RuntimeConfig::default()
    });
    let runtime = runtime.expect("the runtime starts");
    let tool = load(
        &runtime,
        &tollgate_fixtures::packed_bytes("hostile-sockets"),
    )
    .await;
    let ends = output(tool.run(Run::only(json!(tcp.port))).await);
    let ends = ends.as_object().expect("each attempt's end");
    assert_eq!(ends.len(), 11, "{ends:?}");
    for (attempt, end) in ends {
        let refusal = match attempt.starts_with("http") {
            true => "HTTP-request-denied",
            false => "access-denied",
        };
        assert_eq!(end, refusal, "{attempt}");
    }
    let address = ([127, 0, 0, 1], tcp.port).into();
    assert!(tcp.is_untouched(address).await);
    let own = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    own.send_to(b"own", address).await.expect("sent");
    let mut packet = [0; 16];
    let (length, _) = udp.recv_from(&mut packet).await.expect("a packet");
    assert_eq!(&packet[..length], b"own", "the first to come");
    assert_eq!(names.names(), Vec::<String>::new());
}
