//! End to end: the real binary as a process, and the public library, on the fixtures.

mod artifacts;
mod bytes;
mod command_line;
mod compiling;
mod crowds;
mod deadlines;
mod egress;
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
