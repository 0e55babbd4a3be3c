//! How deep the types of a section nest, found without recursion: the parser's own reader recurses for each level,
//! and a file of 2 KiB would take the whole process's stack with it.

use super::{DEPTH_READ_MAX, NAMES_READ_MAX, Unreadable};
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType,
    ComponentTypeRef, CoreType,
};

const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;

/// Walks a component type section, which begins at `offset` of the file. Returns how many declarations its types have.
pub(super) fn check(section: &[u8], offset: usize) -> Result<u64, Unreadable> {
    let mut declarations: u64 = 0;
    let mut reader = BinaryReader::new(section, offset);
    // Entries left at each level: of the section itself first, of the innermost type last.
    let mut left = vec![reader.read_var_u32()?];
    while let Some(entries) = left.last_mut() {
        let Some(fewer) = entries.checked_sub(1) else {
            left.pop();
            continue;
        };
        *entries = fewer;
        if left.len() > 1 && !begins_type(&mut reader)? {
            continue;
        }
        match section.get(reader.original_position() - offset) {
            Some(&(COMPONENT_TYPE | INSTANCE_TYPE)) => {
                if left.len() > DEPTH_READ_MAX {
                    let offset = reader.original_position();
                    return Err(Unreadable::TooDeep { offset });
                }
                reader.read_u8()?;
                let inner = reader.read_var_u32()?;
                declarations = declarations.saturating_add(inner.into());
                if declarations > NAMES_READ_MAX {
                    let offset = reader.original_position();
                    return Err(Unreadable::TooMany { offset });
                }
                left.push(inner);
            }
            _ => reader.read::<ComponentType<'_>>().map(drop)?,
        }
    }
    Ok(declarations)
}

/// Reads a declaration inside a type, unless it is a type itself: of that only the first byte.
fn begins_type(reader: &mut BinaryReader<'_>) -> Result<bool, Unreadable> {
    match reader.read_u8()? {
        0x00 => reader.read::<CoreType<'_>>().map(drop)?,
        0x01 => return Ok(true),
        0x02 => reader.read::<ComponentAlias<'_>>().map(|_| ())?,
        0x03 => reader.read::<ComponentImport<'_>>().map(|_| ())?,
        // Anything else is no declaration; the parser says so when it comes to it, and does not go deeper.
        _ => {
            reader.read::<ComponentExternName<'_>>()?;
            reader.read::<ComponentTypeRef>()?;
        }
    }
    Ok(false)
}
