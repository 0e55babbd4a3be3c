//! The edge of the server: connections, request bodies, rate limits, and the log line of each request. It knows no handler.

pub(crate) mod accept;
pub(crate) mod addresses;
pub(crate) mod arrival;
pub(crate) mod body;
pub(crate) mod compilation;
pub(crate) mod counters;
pub(crate) mod files;
pub(crate) mod noted;
pub(crate) mod observe;
pub(crate) mod params;
pub(crate) mod peer;
pub(crate) mod rate;
pub(crate) mod stall;
pub(crate) mod turns;
pub(crate) mod unsent;
