//! The door to files: one folder, `/scratch`, fresh for each run, bounded in bytes written and entries created,
//! without links of any kind, gone afterwards.
//!
//! wasmtime-wasi reads and writes; its calls that write, create or link pass here first, for components in
//! `component`, for WASI 0.1 modules in `module`.

mod folder;
mod quota;
pub(crate) mod stream;

pub use folder::{Scratch, ScratchRoot};
pub use quota::{Quota, Refusal};
