//! One file for each measurement.

pub(crate) mod compiling;
pub(crate) mod delivered;
pub(crate) mod egress;
pub(crate) mod flood;
pub(crate) mod http;
pub(crate) mod large_tool;
pub(crate) mod latency;
pub(crate) mod many_tools;
pub(crate) mod neighbours;
pub(crate) mod overshoot;
pub(crate) mod paid;
pub(crate) mod parked;
pub(crate) mod past;
pub(crate) mod saturation;
pub(crate) mod scan;
pub(crate) mod starting;
pub(crate) mod throughput;
pub(crate) mod tuning;
pub(crate) mod validate;
