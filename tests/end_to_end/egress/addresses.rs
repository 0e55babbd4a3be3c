//! Where names lead: by whatever way a name comes to stand for a private address, nothing is connected to.

use super::allowed::end;
use super::names::Names;
use super::raw::{RawUpstream, Step, send};
use super::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const PROHIBITED: &str = "DestinationIpProhibited";
/// Anybody's, and routed by nobody.
const PUBLIC: &str = "192.0.1.1";

/// Each of them alone, and one beside a public one.
const PRIVATE: &[&[&str]] = &[
    &["127.0.0.1"],
    &["10.0.0.1"],
    &["172.16.0.1"],
    &["192.168.0.1"],
    &["100.64.0.1"],
    &["169.254.169.254"],
    &["224.0.0.1"],
    &["0.0.0.0"],
    &["::1"],
    &["::"],
    &["::ffff:127.0.0.1"],
    &["64:ff9b::7f00:1"],
    &["2002:7f00:1::"],
    &["fe80::1"],
    &["fc00::1"],
    &["fd00:ec2::254"],
    &["ff02::1"],
    &[PUBLIC, "127.0.0.1"],
    &["127.0.0.1", PUBLIC],
    &[PUBLIC, "::1"],
];

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|it| it.parse().expect(it)).collect()
}

/// What would answer at this machine's own addresses, at one port.
struct Neighbours(Vec<(SocketAddr, RawUpstream)>);

impl Neighbours {
    async fn listen() -> Self {
        let script = || vec![send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")];
        let first = RawUpstream::start(script()).await;
        let port = first.port;
        let mut all = vec![(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), first)];
        // Not every machine has the newer protocol.
        let newer = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        if let Ok(second) = RawUpstream::at(newer, vec![script()]).await {
            all.push((newer, second));
        }
        Self(all)
    }

    fn port(&self) -> u16 {
        self.0[0].1.port
    }

    async fn are_untouched(&self) -> bool {
        for (address, neighbour) in &self.0 {
            if !neighbour.is_untouched(*address).await {
                return false;
            }
        }
        true
    }
}

fn asking(names: &Names) -> NetworkConfig {
    NetworkConfig {
        nameservers: vec![names.address],
        ..NetworkConfig::default()
    }
}

/// A courier that its manifest lets to every one of `names`.
async fn courier_to(names: &[String], port: u16, network: NetworkConfig) -> Courier {
    let rules: Vec<_> = names
        .iter()
        .map(|name| format!("http://{name}:{port}"))
        .collect();
    Courier::by(network, &rules).await
}

async fn end_of(courier: &Courier, url: String) -> String {
    end(&courier.run("send", json!({"request": get(url)})).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_for_an_address_that_is_not_public_is_refused_before_a_packet() {
    let neighbours = Neighbours::listen().await;
    let port = neighbours.port();
    let server = Names::answering(|name, _, _| {
        let index = name.strip_prefix("private-")?.strip_suffix(".example.")?;
        Some(addresses(PRIVATE[index.parse::<usize>().ok()?]))
    });
    let server = server.await;
    let names: Vec<_> = (0..PRIVATE.len())
        .map(|index| format!("private-{index}.example"))
        .collect();
    let courier = courier_to(&names, port, asking(&server)).await;
    for (name, expected) in names.iter().zip(PRIVATE) {
        let ended = end_of(&courier, format!("http://{name}:{port}/")).await;
        assert_eq!(ended, PROHIBITED, "{expected:?}");
        let asked = server.names();
        assert!(asked.contains(&format!("{name}.")), "{asked:?}");
    }
    assert!(neighbours.are_untouched().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_public_first_and_private_then_is_checked_each_time() {
    let neighbours = Neighbours::listen().await;
    let port = neighbours.port();
    let server = Names::answering(|_, _, before| {
        Some(addresses(&[if before == 0 { PUBLIC } else { "127.0.0.1" }]))
    });
    let server = server.await;
    let name = "rebinding.example".to_owned();
    let courier = courier_to(std::slice::from_ref(&name), port, asking(&server)).await;
    const SOON: u64 = 300_000_000;
    let url = format!("http://{name}:{port}/");
    let input = json!({"request": get(url.clone()), "connect": SOON, "first-byte": SOON, "between-bytes": SOON});
    let started = std::time::Instant::now();
    let first = end(&courier.run("send-within", input.clone()).await);
    // Whatever is there does not answer in time, or at all.
    assert_ne!(first, PROHIBITED);
    assert!(started.elapsed() < Duration::from_secs(3));
    let second = end(&courier.run("send-within", input).await);
    assert_eq!(second, PROHIBITED);
    assert_eq!(end_of(&courier, url).await, PROHIBITED);
    assert!(neighbours.are_untouched().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ways_to_write_an_address_lead_nowhere() {
    let neighbours = Neighbours::listen().await;
    let port = neighbours.port();
    let server = Names::answering(|_, _, _| None).await;
    let numbers = ["2130706433", "0x7f.1", "0x7f000001", "127.1", "0177.0.0.1"];
    let numbers = numbers.map(str::to_owned);
    let plain = ["127.0.0.1", "0.0.0.0"].map(str::to_owned);
    let allowed = [&numbers[..], &plain].concat();
    let courier = courier_to(&allowed, port, asking(&server)).await;
    for number in &numbers {
        let ended = end_of(&courier, format!("http://{number}:{port}/")).await;
        assert_eq!(ended, "DnsError", "{number}");
    }
    // They are names as any other, and nobody has them.
    let mut expected = numbers.map(|number| format!("{number}."));
    expected.sort();
    assert_eq!(server.names(), expected);
    for address in &plain {
        let ended = end_of(&courier, format!("http://{address}:{port}/")).await;
        assert_eq!(ended, PROHIBITED, "{address}");
    }
    // No manifest can name these.
    for address in ["[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"] {
        let ended = end_of(&courier, format!("http://{address}:{port}/")).await;
        assert_eq!(ended, "HttpRequestDenied", "{address}");
    }
    assert_eq!(server.names(), expected, "nothing else is looked up");
    assert!(neighbours.are_untouched().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_an_address_that_is_not_public_is_refused_when_the_tool_follows_it() {
    let inner = Neighbours::listen().await;
    let port = inner.port();
    for target in ["inner.example", "127.0.0.1"] {
        let location = format!("http://{target}:{port}/");
        let redirect =
            format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let outer = RawUpstream::start(vec![send(redirect)]).await;
        let server = Names::answering(|_, _, _| Some(addresses(&["127.0.0.1"]))).await;
        let entrance = format!("outer.example:{}", outer.port);
        let network = NetworkConfig {
            open: vec![entrance.parse().expect("a host")],
            ..asking(&server)
        };
        let rules = [
            format!("http://{entrance}"),
            format!("http://{target}:{port}"),
        ];
        let courier = Courier::by(network, &rules).await;
        let answer = courier.send(get(format!("http://{entrance}/"))).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer["status"], 302);
        let headers = answer["headers"].as_array().expect("a list");
        let found = headers.iter().find(|it| it[0] == "location");
        let next = found.expect("it says where")[1].as_str().expect("text");
        assert_eq!(next, location);
        assert_eq!(
            end_of(&courier, next.to_owned()).await,
            PROHIBITED,
            "{target}"
        );
        assert_eq!(outer.connections().len(), 1);
    }
    assert!(inner.are_untouched().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opened_name_is_connected_to_by_its_name_at_its_port_only() {
    let here = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhere";
    let upstream = RawUpstream::start(vec![send(here), Step::Close]).await;
    let neighbours = Neighbours::listen().await;
    let server = Names::answering(|_, _, _| Some(addresses(&["127.0.0.1"]))).await;
    let host = format!("opened.example:{}", upstream.port);
    let other_name = format!("other.example:{}", upstream.port);
    let other_port = format!("opened.example:{}", neighbours.port());
    let network = NetworkConfig {
        open: vec![host.parse().expect("a host")],
        ..asking(&server)
    };
    let rules = [&host, &other_name, &other_port].map(|host| format!("http://{host}"));
    let courier = Courier::by(network, &rules).await;
    for closed in [&other_name, &other_port] {
        let ended = end_of(&courier, format!("http://{closed}/")).await;
        assert_eq!(ended, PROHIBITED, "{closed}");
    }
    assert!(upstream.connections().is_empty());
    let answer = courier.send(get(format!("http://{host}/"))).await;
    assert_eq!(answer.expect("an answer")["body"], "here");
    let seen = upstream.only();
    assert_eq!(seen.headers, [("host".to_owned(), host)]);
    assert!(neighbours.are_untouched().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_asked_for_as_it_is_and_in_no_domain_of_the_machine_s() {
    let server = Names::answering(|_, _, _| None).await;
    let names = ["intranet", "two.labels"].map(str::to_owned);
    let courier = courier_to(&names, 80, asking(&server)).await;
    for name in &names {
        let ended = end_of(&courier, format!("http://{name}/")).await;
        assert_eq!(ended, "DnsError", "{name}");
    }
    assert_eq!(server.names(), names.map(|name| format!("{name}.")));
    assert!(!server.asked().is_empty());
}
