//! Fair sharing between owners: [`Shares`] bound how much each owner takes, [`Turns`] decide who is next.
//!
//! An owner is whatever a resource is shared by: an org, the runtime's fair-share key, a network address.

mod shares;
mod turns;

pub use shares::{Most, Part, Shares};
pub use turns::Turns;
