//! Measures our runtime and server against references in the same run.

fn main() {}
