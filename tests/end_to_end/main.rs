//! End to end: the real binary as a process, and the public library, on the fixtures.

mod fixtures;
mod house;
