//! The server over HTTP.

mod crashes;
mod neighbours;
mod run_path;
mod secrets;
