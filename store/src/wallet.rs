//! What orgs have, and what of it is held: in memory, where the folder's lock proves that nobody else spends it. What is
//! posted follows the database, right after each commit; nothing is posted away that was not held before.

use crate::Store;
use crate::id::OrgId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// An org's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wallet {
    /// What it has.
    pub posted: u64,
    /// What of it is held for runs and subscriptions that may yet cost it.
    pub held: u64,
}

impl Wallet {
    /// What it may still spend.
    pub fn available(&self) -> u64 {
        self.posted.saturating_sub(self.held)
    }
}

/// Tokens of an org that nothing else may be paid with until this is dropped.
#[derive(Debug)]
pub struct Hold {
    wallets: Arc<Wallets>,
    org: OrgId,
    tokens: u64,
}

impl Hold {
    /// Leaves the tokens held: a row of the database has the hold now.
    pub fn keep(mut self) {
        self.tokens = 0;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.tokens > 0 {
            self.wallets.release(self.org, self.tokens);
        }
    }
}

/// All orgs' wallets.
#[derive(Debug, Default)]
pub(crate) struct Wallets {
    all: Mutex<HashMap<OrgId, Wallet>>,
    /// Whose are the fees: the org that the server was started with.
    platform: OnceLock<OrgId>,
}

impl Wallets {
    /// With what the database has: what is posted, and what is held by queued runs.
    pub(crate) fn new(posted: Vec<(OrgId, i64)>, held: Vec<(OrgId, i64)>) -> Self {
        let mut all: HashMap<OrgId, Wallet> = HashMap::new();
        for (org, tokens) in posted {
            all.entry(org).or_default().posted = tokens.cast_unsigned();
        }
        for (org, tokens) in held {
            all.entry(org).or_default().held = tokens.cast_unsigned();
        }
        Self {
            all: Mutex::new(all),
            platform: OnceLock::new(),
        }
    }

    pub(crate) fn set_platform(&self, org: OrgId) {
        // The first org stays the first.
        let _ = self.platform.set(org);
    }

    pub(crate) fn platform(&self) -> Option<OrgId> {
        self.platform.get().copied()
    }

    pub(crate) fn wallet(&self, org: OrgId) -> Wallet {
        self.lock().get(&org).copied().unwrap_or_default()
    }

    /// What was committed.
    pub(crate) fn post(&self, changes: &[(OrgId, i64)]) {
        let mut all = self.lock();
        for (org, tokens) in changes {
            let wallet = all.entry(*org).or_default();
            wallet.posted = wallet.posted.saturating_add_signed(*tokens);
        }
    }

    fn hold(self: &Arc<Self>, org: OrgId, tokens: u64) -> Result<Hold, Wallet> {
        let mut all = self.lock();
        let wallet = all.entry(org).or_default();
        if wallet.available() < tokens {
            return Err(*wallet);
        }
        wallet.held += tokens;
        drop(all);
        Ok(self.held_already(org, tokens))
    }

    fn held_already(self: &Arc<Self>, org: OrgId, tokens: u64) -> Hold {
        Hold {
            wallets: Arc::clone(self),
            org,
            tokens,
        }
    }

    pub(crate) fn release(&self, org: OrgId, tokens: u64) {
        let mut all = self.lock();
        let wallet = all.entry(org).or_default();
        wallet.held = wallet.held.saturating_sub(tokens);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrgId, Wallet>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// What an org has now.
    pub fn wallet(&self, org: OrgId) -> Wallet {
        self.wallets.wallet(org)
    }

    /// Holds tokens of an org; where it has too few, what it has.
    pub fn hold(&self, org: OrgId, tokens: u64) -> Result<Hold, Wallet> {
        self.wallets.hold(org, tokens)
    }

    /// The hold that was [kept](Hold::keep) in a queued run's row, once the run is taken up.
    pub fn take_up_hold(&self, org: OrgId, tokens: u64) -> Hold {
        self.wallets.held_already(org, tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_cannot_be_held_again_and_comes_back_when_dropped() {
        let org = OrgId::new();
        let wallets = Arc::new(Wallets::new(vec![(org, 10)], vec![(org, 2)]));
        let first = wallets.hold(org, 5).expect("8 are available");
        let too_much = wallets.hold(org, 4).expect_err("3 are");
        assert_eq!((too_much.held, too_much.available()), (7, 3));
        let second = wallets.hold(org, 3).expect("3 are");
        assert_eq!(wallets.wallet(org).available(), 0);
        drop(first);
        assert_eq!(wallets.wallet(org).available(), 5);
        second.keep();
        assert_eq!(wallets.wallet(org).held, 5);
        drop(wallets.held_already(org, 5));
        wallets.post(&[(org, -4), (OrgId::new(), 4)]);
        assert_eq!(wallets.wallet(org), Wallet { posted: 6, held: 0 });
        assert!(wallets.hold(OrgId::new(), 1).is_err(), "nobody's is empty");
        assert!(wallets.hold(OrgId::new(), 0).is_ok());
    }
}
