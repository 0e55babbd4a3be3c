//! 1. Size: before anything reads the bytes.

use crate::limits::TOOL_BYTES_MAX;
use crate::violation::Violation;

pub(super) fn check(bytes: &[u8]) -> Result<(), Vec<Violation>> {
    if bytes.is_empty() {
        return Err(vec![
            Violation::new(
                "file_empty",
                "the file is empty; a tool is one `.wasm` file",
            )
            .at(0),
        ]);
    }
    if bytes.len() > TOOL_BYTES_MAX {
        let message = format!(
            "the file has {} bytes; a tool has at most {TOOL_BYTES_MAX} (20 MiB)",
            bytes.len()
        );
        return Err(vec![
            Violation::new("file_too_large", message).at(TOOL_BYTES_MAX),
        ]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_the_bound() {
        assert!(check(&vec![0; TOOL_BYTES_MAX]).is_ok());
        assert_eq!(
            check(&vec![0; TOOL_BYTES_MAX + 1]).unwrap_err()[0].code,
            "file_too_large"
        );
        assert_eq!(check(&[]).unwrap_err()[0].code, "file_empty");
    }
}
