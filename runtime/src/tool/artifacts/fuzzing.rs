//! The door to sealed files, for the fuzz target `envelope`.

use super::seal::Seal;
use super::{ArtifactRefusal, unusable};
use crate::digest::ToolDigest;
use crate::tool::checks::Facts;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, Write};

const SET: [u8; 32] = [1; 32];

/// A file of that code and those facts, sealed.
pub fn seal(code: &[u8], facts: &[u8]) -> Vec<u8> {
    let mut sealed = file(b"");
    let written = seal_key().write(&sealed, &digest(), &file(code), facts);
    written.expect("memory is written to");
    let mut bytes = Vec::new();
    sealed.rewind().expect("a file");
    sealed.read_to_end(&mut bytes).expect("a file");
    bytes
}

/// Reads a file as it is read before its code is run.
pub fn open(bytes: &[u8]) -> Result<(), ArtifactRefusal> {
    let sealed = seal_key().check(&file(bytes), &digest())?;
    let refused = |why: &str| ArtifactRefusal::Unusable(why.to_owned());
    let facts = Facts::read(&sealed.facts).map_err(refused)?;
    let admissible = facts.admissible().ok_or_else(|| refused("not ours"))?;
    // What was read is kept as it was read.
    let again = Facts::of(&admissible).write().map_err(unusable)?;
    let read = Facts::read(&again).expect("what was written is read");
    assert_eq!(read.write().map_err(unusable)?, again);
    Ok(())
}

fn seal_key() -> Seal {
    Seal::new(&[2; 32], SET)
}

fn digest() -> ToolDigest {
    ToolDigest::from([3; 32])
}

fn file(bytes: &[u8]) -> File {
    let mut file: File = memfd_create("envelope", MemfdFlags::CLOEXEC)
        .expect("memory")
        .into();
    file.write_all(bytes).expect("memory is written to");
    file
}
