//! The server over HTTP.

mod async_runs;
mod clients;
mod crashes;
mod idempotency;
mod neighbours;
mod run_path;
mod secrets;
