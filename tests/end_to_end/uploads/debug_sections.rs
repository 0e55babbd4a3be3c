//! Debug sections that no compiler would make: none takes more than its length, and a trap is told all the same.

use super::bombs::{COMPILE_BUDGET, SOON, body};
use super::{judged, within};
use crate::bytes::{COMPONENT, MODULE, custom, section};
use crate::dwarf::{FIRST_NAME, NO_NAME, files, ranges, sections};
use tollgate_runtime::{Frame, Run, source};
use tollgate_tests::failure;

#[tokio::test(flavor = "multi_thread")]
async fn stop_nobody_from_telling_where_a_trap_was() {
    let trapping = body("unreachable");
    let rubbish: Vec<u8> = (0..1_000_000_u32)
        .map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let cases = [
        ("empty", Vec::new()),
        ("one byte", vec![0xff]),
        ("ones", vec![0xff; 1_000_000]),
        ("zeroes", vec![0; 1_000_000]),
        ("rubbish", rubbish),
    ];
    for (label, content) in cases {
        let all = [
            ".debug_info",
            ".debug_line",
            ".debug_abbrev",
            ".debug_str",
            ".debug_ranges",
            ".debug_rnglists",
            ".debug_addr",
            ".debug_loc",
            "name",
        ]
        .map(|name| custom(name, &content));
        let bytes = [&trapping[..], &all.concat()].concat();
        let verdict = within(label, COMPILE_BUDGET, judged(&bytes)).await;
        let tool = verdict.tool.expect("admitted");
        let mut failure = failure(tool.run(Run::only(serde_json::Value::Null)).await);
        assert_eq!(
            failure.trap.as_deref(),
            Some("unreachable_code_reached"),
            "{label}"
        );
        let offset = failure.backtrace[0].offset;
        within(label, SOON, async {
            source::resolve(&bytes, &mut failure.backtrace)
        })
        .await;
        assert_eq!(failure.backtrace[0].offset, offset, "{label}");
    }
}

/// Sections of debugging whose units share what each of them has, so that a small file stands for an enormous one;
/// and tables of lines that are as large as are read, and larger.
#[tokio::test(flavor = "multi_thread")]
async fn take_no_more_than_their_length() {
    const NAMED: Option<(Option<&str>, bool)> = Some((Some("a.rs"), true));
    let endless = custom(".debug_line_str", &vec![b'a'; 10_000_000]);
    let long = "a".repeat(120) + "…";
    let cases = [
        ("4 MB of lines", sections(1, 0, 4_000_000, &[]), NAMED),
        ("more lines", sections(1, 0, 5_000_000, &[]), None),
        ("shared lines", sections(100, 0, 1_000_000, &[]), NAMED),
        (
            "shared abbreviations",
            sections(5_000, 1_000_000, 10, &[]),
            NAMED,
        ),
        (
            "shared ranges",
            sections(2_000, 0, 10, &[&ranges(100_000)]),
            NAMED,
        ),
        ("600,000 units", sections(600_000, 0, 10, &[]), NAMED),
        ("500,000 files", files(500_000, NO_NAME), Some((None, true))),
        ("more files", files(600_000, NO_NAME), None),
        (
            "a name without end",
            [files(2, FIRST_NAME), endless].concat(),
            Some((Some(&long[..]), true)),
        ),
    ];
    for (label, sections, expected) in cases {
        let bytes = [&body("unreachable")[..], &sections].concat();
        let verdict = within(label, COMPILE_BUDGET, judged(&bytes)).await;
        let tool = verdict.tool.expect("admitted");
        let ended = failure(tool.run(Run::only(serde_json::Value::Null)).await);
        let mut backtrace = ended.backtrace;
        let reading = async { source::resolve(&bytes, &mut backtrace) };
        within(label, SOON, reading).await;
        let (file, has_line) = expected.unwrap_or_default();
        assert_eq!(backtrace[0].file.as_deref(), file, "{label}");
        assert_eq!(backtrace[0].line.is_some(), has_line, "{label}");
    }
}

/// As many calls as a page of failed runs has, and as many modules as a file has room for.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_modules_are_read_once_for_all_calls() {
    let lines = sections(1, 0, 4_000_000, &[]);
    let trapping = [&body("unreachable")[..], &lines].concat();
    let small = [MODULE, &custom(".debug_line", &[])].concat();
    let modules = section(1, &small).repeat(400_000);
    let bytes = [COMPONENT, &modules, &section(1, &trapping)].concat();
    let frame = |offset: u64| Frame {
        offset,
        function: None,
        file: None,
        line: None,
    };
    let mut frames: Vec<Frame> = (0..10_000).map(|at| frame(at * 1_100)).collect();
    let unreachable = bytes.len() - lines.len() - 2;
    frames.push(frame(unreachable as u64));
    let reading = async { source::resolve(&bytes, &mut frames) };
    within("many modules", 5 * SOON, reading).await;
    let last = frames.pop().expect("a frame");
    assert_eq!(last.file.as_deref(), Some("a.rs"), "{last:?}");
    assert!(frames.iter().all(|frame| frame.file.is_none()));
}
