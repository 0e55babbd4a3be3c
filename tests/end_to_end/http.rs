//! The server over HTTP.

mod bodies;
mod catalogue;
mod keys;
mod rows;
mod run_path;
mod small;
mod strangers;
