//! Wallets, payments, budgets and subscriptions.

pub(crate) mod budget;
pub(crate) mod cap;
pub(crate) mod credit;
pub(crate) mod learned;
pub(crate) mod ledger;
pub(crate) mod ledger_entry;
pub(crate) mod payment;
pub(crate) mod posting;
pub(crate) mod subscription;
pub(crate) mod wallet;
