//! The server over HTTP.

mod crashes;
mod idempotency;
mod neighbours;
mod run_path;
mod secrets;
