//! Who calls, and what the caller may see.

pub(crate) mod caller;
pub(crate) mod visible;
