//! Wallets, budgets, usage, subscriptions, and the price of a run.

pub(crate) mod budgets;
pub(crate) mod offer;
pub(crate) mod subscriptions;
pub(crate) mod usage;
pub(crate) mod wallet;
