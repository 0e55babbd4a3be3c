//! How many connections an address has: one machine with silent sockets must not turn all others away.

use super::rate::address::Network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of each address that has any.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    connections_max: usize,
    by_network: Arc<Mutex<HashMap<Network, usize>>>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    of: Addresses,
    network: Network,
}

impl Addresses {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            connections_max,
            by_network: Arc::default(),
        }
    }

    /// A place for one more connection of an address. `None` if it has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Entered> {
        let network = Network::of(Some(address));
        let mut by_network = self.lock();
        let connections = by_network.entry(network).or_default();
        if *connections >= self.connections_max {
            return None;
        }
        *connections += 1;
        drop(by_network);
        Some(Entered {
            of: self.clone(),
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.by_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut by_network = self.of.lock();
        if let Some(connections) = by_network.get_mut(&self.network) {
            *connections -= 1;
            if *connections == 0 {
                by_network.remove(&self.network);
            }
        }
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
        assert!(addresses.lock().is_empty());
    }
}
