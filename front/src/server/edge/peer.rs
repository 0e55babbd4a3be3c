//! The address at the other end of a connection.

use std::net::IpAddr;

/// The sender of a request, by its connection. It is in the extensions of every request. Anybody can write headers that name
/// another sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);
