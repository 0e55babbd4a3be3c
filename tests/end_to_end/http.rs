//! The server over HTTP.

mod actions;
mod async_runs;
mod bodies;
mod bombs;
mod budgets;
mod catalogue;
mod clients;
mod compiled;
mod covers;
mod crashes;
mod idempotency;
mod keys;
mod money;
mod neighbours;
mod quotas;
mod rate;
mod rows;
mod run_path;
mod secrets;
mod sessions;
mod small;
mod sources;
mod spans;
mod strangers;
mod suspensions;
mod usage;
