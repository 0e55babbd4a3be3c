//! Sections of debugging by the byte: what no compiler would make.

use crate::bytes::{custom, leb};

/// So many units of one table of lines, one of as many more abbreviations, and one of ranges where there is one.
pub(crate) fn sections(
    units: usize,
    abbreviations: usize,
    lines: usize,
    ranges: &[&[u8]],
) -> Vec<u8> {
    // A unit has DW_AT_stmt_list and, as DW_FORM_sec_offset or an address and a length, where its code is.
    let (attributes, place): (&[u8], &[u8]) = match ranges {
        [] => (b"\x10\x17\x11\x01\x12\x06", b"\0\0\0\0\xff\xff\xff\x7f"),
        _ => (b"\x10\x17\x55\x17", b"\0\0\0\0"),
    };
    let mut table = [b"\x01\x11\0", attributes, b"\0\0"].concat();
    for code in 0..abbreviations {
        table.extend([&leb(code + 2)[..], b"\x11\0\0\0"].concat());
    }
    table.push(0);
    let unit = counted(&[b"\x04\0\0\0\0\0\x04\x01\0\0\0\0", place].concat());
    // Of each opcode the table has a row, for the next address and the next line.
    let about = b"\x01\x01\x01\xfb\x0e\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01\0a.rs\0\0\0\0\0";
    let begin = b"\0\x05\x02\x01\0\0\0";
    let program = [&begin[..], &vec![0x21; lines], b"\0\x01\x01"].concat();
    let program = counted(&[b"\x04\0", &counted(about)[..], &program].concat());
    [
        custom(".debug_abbrev", &table),
        custom(".debug_info", &unit.repeat(units)),
        custom(".debug_line", &program),
        custom(".debug_ranges", &ranges.concat()),
    ]
    .concat()
}

/// A name of no kind that names have: a byte, for which others have more than a hundred.
pub(crate) const NO_NAME: (u8, &[u8]) = (0x0f, b"\0");
/// The beginning of `.debug_line_str`, as DW_FORM_line_strp.
pub(crate) const FIRST_NAME: (u8, &[u8]) = (0x1f, b"\0\0\0\0");

/// A table of lines with so many files, all of one name.
pub(crate) fn files(count: usize, (form, name): (u8, &[u8])) -> Vec<u8> {
    let lists = [
        &[1, 1, form][..],
        &leb(1),
        name,
        &[1, 1, form],
        &leb(count),
        &name.repeat(count),
    ];
    let about = b"\x01\x01\x01\xfb\x0e\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01";
    let about = counted(&[&about[..], &lists.concat()].concat());
    let program = b"\0\x05\x02\x01\0\0\0\x21\x21\x21\x21\0\x01\x01";
    let table = counted(&[b"\x05\0\x04\0", &about[..], program].concat());
    custom(".debug_line", &table)
}

/// With its length in bytes before it.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("it fits");
    [&length.to_le_bytes()[..], bytes].concat()
}

/// So many ranges of addresses.
pub(crate) fn ranges(count: u32) -> Vec<u8> {
    let range = |at: u32| [(2 * at + 1).to_le_bytes(), (2 * at + 2).to_le_bytes()].concat();
    let end = vec![0; 8];
    (0..count).flat_map(range).chain(end).collect()
}
