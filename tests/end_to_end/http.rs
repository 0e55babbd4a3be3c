//! The server over HTTP.

mod run_path;
