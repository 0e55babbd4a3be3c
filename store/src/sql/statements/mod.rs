//! The catalogue: every statement, with its text for each engine.

mod catalogue;
mod money;
mod runs;
mod tenancy;
mod upkeep;

pub(crate) use self::catalogue::*;
pub(crate) use self::money::*;
pub(crate) use self::runs::*;
pub(crate) use self::tenancy::*;
pub(crate) use self::upkeep::*;
