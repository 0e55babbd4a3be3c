//! The server over HTTP.

mod catalogue;
mod rows;
mod run_path;
mod small;
mod strangers;
