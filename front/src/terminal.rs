//! What people see: results on stdout, everything else on stderr, colour and progress only on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tollgate_runtime::{Failure, Frame, LogLine, Missing, Violation, plain_text};

/// The narrowest that is written for.
const COLUMNS_MIN: usize = 40;
/// Longer lines are hard to read, however wide the terminal is.
const COLUMNS_MAX: usize = 100;

const RED: &str = "\x1b[1;31m";
/// Not bold, which many terminals make so bright that it is not read on white.
const GREEN: &str = "\x1b[32m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Prints a result. A reader that went away is no error of ours.
pub(crate) fn result(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a tool's own text as it is, except that it does not steer a terminal.
pub(crate) fn text(text: &str) {
    if std::io::stdout().is_terminal() {
        result(plain_lines(text));
    } else {
        result(text);
    }
}

/// Text without control characters, lines kept.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n')
        .map(plain_text)
        .collect::<Vec<_>>()
        .join("\n")
}

/// How wide lines may be.
pub(crate) fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    let size = size.or_else(|_| rustix::termios::tcgetwinsize(std::io::stdout()));
    let columns = size.map_or(80, |size| usize::from(size.ws_col));
    match columns {
        0 => 80,
        columns => columns.clamp(COLUMNS_MIN, COLUMNS_MAX),
    }
}

/// Where stdout is a terminal, which would part words, what does not fit a line goes on in the next ones, indented by
/// some columns more than the first is.
pub(crate) fn in_lines(text: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => hanging(text, columns()),
        false => text.to_owned(),
    }
}

/// The same of so many columns, wherever it goes.
pub(crate) fn hanging(text: &str, columns: usize) -> String {
    let begun = text.len() - text.trim_start().len();
    let indent = " ".repeat(begun + 2);
    let options = textwrap::Options::new(columns)
        .subsequent_indent(&indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .break_words(false);
    textwrap::fill(text, options)
}

/// Prints to stderr, on a terminal without parting words.
pub(crate) fn note(text: impl Display) {
    match std::io::stderr().is_terminal() {
        true => as_it_is(hanging(&text.to_string(), columns())),
        false => as_it_is(text),
    }
}

fn as_it_is(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints what went wrong.
pub(crate) fn error(text: &str) {
    note(format_args!("{} {text}", coloured(RED, "error:")));
}

/// `text` in green, where stdout is a terminal.
pub(crate) fn good(text: &str) -> String {
    marked(GREEN, text)
}

/// `text` in red, where stdout is a terminal.
pub(crate) fn bad(text: &str) -> String {
    marked(RED, text)
}

/// `text` in bold, where stdout is a terminal.
pub(crate) fn strong(text: &str) -> String {
    marked(BOLD, text)
}

fn marked(by: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && is_colour_wanted() {
        format!("{by}{text}{RESET}")
    } else {
        text.to_owned()
    }
}

/// Whether what goes to both streams may be in colour.
pub(crate) fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::io::stderr().is_terminal() && is_colour_wanted()
}

/// As <https://no-color.org> has it.
fn is_colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

fn coloured(colour: &str, text: &str) -> String {
    if std::io::stderr().is_terminal() && is_colour_wanted() {
        format!("{colour}{text}{RESET}")
    } else {
        text.to_owned()
    }
}

/// A line that parts what is above it from what is below.
pub(crate) fn heading(text: &str) {
    note(coloured(DIM, &format!("── {text}")));
}

/// One line a violation.
pub(crate) fn violation(violation: &Violation) -> String {
    format!("  {violation}")
}

/// What a tool wrote for people.
pub(crate) fn logs(lines: &[LogLine]) {
    for line in lines {
        as_it_is(&line.text);
        if line.cut {
            note(coloured(
                DIM,
                "[the log ends here: the tool wrote more than is kept]",
            ));
        }
    }
}

/// Calls of a backtrace that are shown.
const FRAMES_SHOWN: usize = 5;
/// Characters of a tool's error that are shown.
const ERROR_SHOWN: usize = 400;

/// A failure, for the tool's owner: what, where, and what to try next. At most ten lines.
pub(crate) fn failure(detail: &str, failure: &Failure, next_step: &str) {
    error(&format!(
        "{detail}: {} ({})",
        failure.message,
        failure.kind.name()
    ));
    if let Some(json) = &failure.error {
        let text = plain_text(&json.to_string());
        let cut = text.char_indices().nth(ERROR_SHOWN).map(|(at, _)| at);
        match cut {
            Some(at) => note(format_args!("  {}… (`--json` has all of it)", &text[..at])),
            None => note(format_args!("  {text}")),
        }
    }
    let is_machinery = |frame: &&Frame| frame.function.as_deref().is_some_and(is_panicking);
    let begin = failure.backtrace.iter().take_while(is_machinery).count();
    // Where all of it is, that is what there is to show.
    let begin = if begin == failure.backtrace.len() {
        0
    } else {
        begin
    };
    let frames = &failure.backtrace[begin..];
    let is_named = |frame: &Frame| frame.function.is_some();
    let shown = match frames.iter().any(is_named) {
        true => FRAMES_SHOWN,
        // Offsets alone tell nobody more by being many.
        false => 1,
    };
    for frame in frames.iter().take(shown) {
        let function = frame.function.as_deref().unwrap_or("<unnamed>");
        match (&frame.file, frame.line) {
            (Some(file), Some(line)) => note(format_args!("  at {function} ({file}:{line})")),
            _ => note(format_args!("  at {function} (offset {:#x})", frame.offset)),
        }
    }
    if let more @ 1.. = frames.len().saturating_sub(shown) {
        note(format_args!("  … {more} calls more"));
    }
    note(format_args!("{} {next_step}", coloured(DIM, "try:")));
}

/// Whether a function is how Rust's standard library ends a program, which is above where it went wrong.
fn is_panicking(function: &str) -> bool {
    const BEGINNINGS: [&str; 6] = [
        "std::",
        "core::",
        "alloc::",
        "panic_abort::",
        "panic_unwind::",
        "__rust",
    ];
    const NAMES: [&str; 3] = ["abort", "rust_panic", "rust_begin_unwind"];
    let name = function.trim_start_matches('<');
    NAMES.contains(&name) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
}

/// The credentials a run lacks, and how to give them.
pub(crate) fn missing(missing: &[Missing]) {
    use tollgate_runtime::MissingReason;
    for credential in missing {
        let reason = match credential.reason {
            MissingReason::Absent => "is not set",
            MissingReason::Empty => "is empty",
            MissingReason::Hosts => "may not go to all hosts the tool declares",
            MissingReason::Expose => "may not be shown to the tool itself",
        };
        let hosts = match credential.hosts.is_empty() {
            true => String::new(),
            false => format!(" (goes to {})", credential.hosts.join(", ")),
        };
        let name = &credential.name;
        note(format_args!(
            "  {name} {reason}{hosts}; give it with `--credential {name}=VALUE`"
        ));
    }
}

/// A spinner while something takes long; nothing where stderr is no terminal.
pub(crate) fn progress(text: String) -> ProgressBar {
    spinner(text, ProgressDrawTarget::stderr())
}

fn spinner(text: String, target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target).with_message(text);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The same for what may be over soon: it is seen once the work has taken a second.
pub(crate) fn late_progress(text: String) -> ProgressBar {
    let bar = spinner(text, ProgressDrawTarget::hidden());
    let shown = bar.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        if !shown.is_finished() {
            shown.set_draw_target(ProgressDrawTarget::stderr());
        }
    });
    bar
}

/// A bar while so many bytes are sent; nothing where stderr is no terminal.
pub(crate) fn upload(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes).with_message("uploading");
    let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
