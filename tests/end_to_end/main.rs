//! End to end: the real binary as a process, and the public library, on the fixtures.

mod artifacts;
mod bytes;
mod catalogue;
mod command_line;
mod compiling;
mod crowds;
mod deadlines;
mod dwarf;
mod egress;
mod examples;
mod fixtures;
mod guests;
mod house;
mod http;
mod limits;
mod mappings;
mod mutations;
mod neighbours;
mod profiles;
mod real_work;
mod uploads;
mod usage;
mod values;

/// Held by tests that load the whole machine, measure it, or run honest tools for long: one at a time. A run has its 30
/// seconds by the clock, whatever else the machine is at.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
