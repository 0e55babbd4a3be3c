//! What a running tool may reach, and nothing else.
//!
//! Every effect a guest can have goes through its one door here: [`clock`], [`random`], [`environment`],
//! [`stdio`] and [`logs`], [`scratch`], [`egress`] with its [`exchange`] of secrets and [`spans`]. A door refuses what the run was not granted, bounds what it
//! holds on the guest's behalf, and knows nothing of tools, manifests or HTTP servers.

pub mod budget;
pub mod clock;
pub mod egress;
pub mod environment;
pub mod exchange;
mod guest;
pub mod host;
pub mod limit;
mod linker;
pub mod logs;
pub mod random;
pub mod scratch;
pub mod spans;
pub mod stdio;

pub use guest::{Grants, Guest, Host};
pub use linker::{add_to_component_linker, add_to_module_linker};
