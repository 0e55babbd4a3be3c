//! Limits the connections of each network address: one machine with silent sockets must not turn all others away.

use super::rate::address::Network;
use std::net::IpAddr;
use tollgate_fair::{Most, Part, Shares};

/// The connections of each address that has any.
#[derive(Debug, Clone)]
pub(super) struct Addresses(Shares<Network>);

/// One connection of an address, until it is dropped.
pub(super) type Entered = Part<Network>;

impl Addresses {
    pub(super) fn new(connections_max: usize) -> Self {
        Self(Shares::new(Most::each(connections_max as u64)))
    }

    /// Counts one more connection of an address. `None` if the address has its most.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Entered> {
        self.0.take(Network::of(Some(address)), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_another_its_own() {
        let addresses = Addresses::new(2);
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held = [addresses.enter(one), addresses.enter(one)];
        assert!(held.iter().all(Option::is_some) && addresses.enter(one).is_none());
        assert!(addresses.enter(other).is_some());
        drop(held);
        assert!(addresses.enter(one).is_some());
        assert_eq!(addresses.0.all(), 0);
    }
}
