//! Connecting: a name is looked up once, every address it stands for is checked, and a checked one is connected to.

use super::address::is_public;
use crate::host::Host;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::net::TcpStream;

/// How many of a name's addresses are tried, each for how long before the next one.
const ADDRESSES_MAX: usize = 8;
const ADDRESS_FOR: Duration = Duration::from_secs(5);
/// Answers to lookups that are kept, and for how long at most.
const ANSWERS_MAX: u64 = 256;
const ANSWERS_FOR: Duration = Duration::from_secs(60);

/// What names stand for, and which addresses may be connected to.
pub(super) struct Dial {
    open: HashSet<Host>,
    nameservers: Vec<SocketAddr>,
    /// Made when the first name is looked up; nothing where the machine is not set up for it.
    resolver: OnceLock<Option<TokioResolver>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the name cannot be looked up: {0}")]
    Lookup(NetError),
    #[error("this machine has no server to ask for names")]
    NoResolver,
    #[error("the name has no address")]
    NoAddress,
    #[error("the address is not a public one")]
    Prohibited,
    #[error("{0}")]
    Connect(std::io::Error),
    #[error("the address does not answer")]
    TimedOut,
    #[error("there are too many connections")]
    NoPlace,
}

impl Dial {
    /// `open` may be connected to whatever their address.
    pub(super) fn new(open: &[Host], nameservers: &[SocketAddr]) -> Self {
        Self {
            open: open.iter().cloned().collect(),
            nameservers: nameservers.to_vec(),
            resolver: OnceLock::new(),
        }
    }

    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let mut failed = DialError::NoAddress;
        for address in self.addresses(host, port).await? {
            match tokio::time::timeout(ADDRESS_FOR, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small, and nobody waits for more to send.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = DialError::Connect(error),
                Err(_) => failed = DialError::TimedOut,
            }
        }
        Err(failed)
    }

    /// The addresses of a host, none of which is one that a tool may not be connected to.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => {
                let resolver = self.resolver.get_or_init(|| resolver(&self.nameservers));
                let resolver = resolver.as_ref().ok_or(DialError::NoResolver)?;
                // Whole as it is: the machine's own domains are not for guests to find.
                let found = resolver.lookup_ip(format!("{host}.")).await;
                found.map_err(DialError::Lookup)?.iter().collect()
            }
        };
        let is_open = || {
            let name = host.to_owned();
            self.open.contains(&Host { name, port })
        };
        let is_foreign = |address: &IpAddr| is_public(*address) && !is_this_machine(*address);
        // A name that stands for a private address beside a public one is up to no good, too.
        if !addresses.iter().all(is_foreign) && !is_open() {
            return Err(DialError::Prohibited);
        }
        match addresses.is_empty() {
            true => Err(DialError::NoAddress),
            false => Ok(addresses
                .into_iter()
                .take(ADDRESSES_MAX)
                .map(|address| SocketAddr::new(address, port))
                .collect()),
        }
    }
}

/// Whether a public address is one of this machine's own: what listens here trusts its neighbours. The way there would
/// begin at the address itself; no packet is sent to find that out.
fn is_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let begin = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    begin().is_ok_and(|from| from.ip() == address)
}

fn resolver(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let mut builder = match servers {
        [] => Resolver::builder_tokio().ok()?,
        servers => Resolver::builder_with_config(asking(servers), TokioRuntimeProvider::default()),
    };
    let options = builder.options_mut();
    options.cache_size = ANSWERS_MAX;
    options.positive_max_ttl = Some(ANSWERS_FOR);
    options.negative_max_ttl = Some(ANSWERS_FOR);
    builder.build().ok()
}

fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut it| {
            it.port = server.port();
            it
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    ResolverConfig::from_parts(None, Vec::new(), servers.collect())
}
