//! A verdict for people: each violation with the line of tool.toml, or the item of WIT, that is at fault, and what to do.

use crate::terminal::{self, columns, in_lines};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tollgate_runtime::Violation;
use tollgate_runtime::manifest::SECTION;
use tollgate_validator::Places;
use tollgate_validator::catalogue::entry_of;
use tollgate_validator::source::{MANIFEST_FILE, manifest_in};

/// What a frame takes of a line, with its number.
const FRAME_COLUMNS: usize = 10;

/// The texts a tool was made from, as far as they are there.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    manifest: Option<Text>,
    wit: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    name: String,
    text: String,
}

impl Sources {
    /// A folder's own files, or what the file carries.
    pub(crate) fn of(tool: &Path, wasm: Option<&[u8]>) -> Self {
        if !tool.is_dir() {
            let manifest = wasm.and_then(manifest_in);
            let manifest = manifest.map(|text| Text {
                name: SECTION.to_owned(),
                text,
            });
            return Self {
                manifest,
                wit: Vec::new(),
            };
        }
        let wit = fs::read_dir(tool.join("wit")).into_iter().flatten();
        let mut wit: Vec<PathBuf> = wit.flatten().map(|it| it.path()).collect();
        wit.retain(|path| path.extension().is_some_and(|it| it == "wit"));
        wit.sort();
        Self {
            manifest: Text::read(&tool.join(MANIFEST_FILE)),
            wit: wit.iter().filter_map(|path| Text::read(path)).collect(),
        }
    }

    /// The manifest's text.
    pub(crate) fn manifest(&self) -> Option<&str> {
        self.manifest.as_ref().map(|it| it.text.as_str())
    }

    /// The part of a text that a violation is about.
    fn at(&self, violation: &Violation) -> Option<(&Text, Range<usize>)> {
        let place = &violation.place;
        if let Some(manifest) = &self.manifest {
            let span = place.pointer.as_deref();
            let places = Places::of(&manifest.text);
            let span = span.and_then(|pointer| places?.span(pointer));
            let is_manifest_s = place.section.as_deref() == Some(SECTION);
            let line = place.line.filter(|_| is_manifest_s);
            let span = span.or_else(|| line_span(&manifest.text, usize::try_from(line?).ok()?));
            if let Some(span) = span {
                return Some((manifest, span));
            }
        }
        let mut wit = self.wit.iter();
        if violation.code == "documentation_unreadable" {
            return wit.find_map(|text| Some((text, text.named_in(&violation.message)?)));
        }
        let function = place.function.as_deref()?;
        wit.find_map(|text| Some((text, item_in(&text.text, function)?)))
    }
}

impl Text {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let name = path.display().to_string();
        Some(Self { name, text })
    }

    /// The line that a message is about which begins with the text's name, a line and a column.
    fn named_in(&self, message: &str) -> Option<Range<usize>> {
        let mut place = message.strip_prefix(&self.name)?.split(':').skip(1);
        let (line, column) = (place.next()?.parse().ok()?, place.next()?.parse().ok()?);
        let of_line = line_span(&self.text, line)?;
        let begin = self.text[..of_line.start]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        let start = begin + usize::checked_sub(column, 1)?;
        let rest = self.text.get(start..of_line.end)?;
        let word = rest.find(|it: char| !it.is_alphanumeric() && it != '-');
        Some(start..start + word.unwrap_or(rest.len()))
    }
}

/// A line without its indent, from 1.
fn line_span(text: &str, line: usize) -> Option<Range<usize>> {
    let of_line = text.split_inclusive('\n').nth(line.checked_sub(1)?)?;
    let start = of_line.as_ptr().addr() - text.as_ptr().addr();
    let indent = of_line.len() - of_line.trim_start().len();
    Some(start + indent..start + of_line.trim_end().len().max(indent))
}

/// Where WIT declares a function: `name: func` or `export name: func`, whatever interface it is of.
fn item_in(wit: &str, function: &str) -> Option<Range<usize>> {
    let name = function.rsplit('.').next()?;
    let declared = format!("{name}:");
    let mut start = 0;
    for line in wit.split_inclusive('\n') {
        let code = line.trim_start();
        let code = code.strip_prefix("export ").unwrap_or(code).trim_start();
        if code.starts_with(&declared) && code.contains("func") {
            let at = start + (line.len() - code.len());
            return Some(at..at + name.len());
        }
        start += line.len();
    }
    None
}

/// All that speaks against a tool.
pub(crate) fn show(sources: &Sources, violations: &[Violation]) {
    for violation in violations {
        terminal::result(shown(sources, violation));
    }
}

/// One thing that speaks against it.
pub(crate) fn shown(sources: &Sources, violation: &Violation) -> String {
    rendered(sources, violation, terminal::is_coloured(), columns())
}

/// Notes, a line or two each.
pub(crate) fn notes(notes: &[Violation]) {
    for note in notes {
        terminal::result(shown_note(note));
    }
}

/// One note.
pub(crate) fn shown_note(note: &Violation) -> String {
    let is_done = note.code == "example_ran";
    let (sign, code) = match is_done {
        true => (terminal::good("✓"), String::new()),
        false => ("note:".to_owned(), format!(" [{}]", note.code)),
    };
    in_lines(&format!("  {sign} {}{code}", note.message))
}

/// A text of whose lines only what fits is left, and where a part of it is then. A line whose part begins later than that
/// is left as it is.
fn cut(text: &str, part: Range<usize>, columns: usize) -> (String, Range<usize>) {
    let (mut shown, mut span) = (String::with_capacity(text.len()), part.clone());
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lines_end = at + line.len();
        let content = line.trim_end_matches(['\r', '\n']);
        let is_too_long = content.chars().count() > columns;
        let fits = content
            .char_indices()
            .nth(columns - 1)
            .map(|(fits, _)| fits);
        let fits = fits.filter(|fits| is_too_long && !(at + fits..lines_end).contains(&part.start));
        let kept = fits.unwrap_or(content.len());
        if (at..lines_end).contains(&part.start) {
            span.start = shown.len() + (part.start - at);
        }
        if (at..=lines_end).contains(&part.end) {
            span.end = shown.len() + (part.end - at).min(kept);
        }
        shown.push_str(&content[..kept]);
        if fits.is_some() {
            shown.push('…');
        }
        shown.push_str(&line[content.len()..]);
        at = lines_end;
    }
    (shown, span)
}

fn rendered(sources: &Sources, violation: &Violation, is_coloured: bool, columns: usize) -> String {
    let mut diagnostic = MietteDiagnostic::new(&violation.message).with_code(violation.code);
    // Of what is wrong in a manifest the message says what may stand there.
    let entry = entry_of(violation.code).filter(|it| it.code != "manifest_invalid");
    if let Some(entry) = entry {
        diagnostic = diagnostic.with_help(entry.remedy);
    }
    let report = match sources.at(violation) {
        Some((text, span)) => {
            let (shown, span) = cut(&text.text, span, columns - FRAME_COLUMNS);
            let label = LabeledSpan::new_primary_with_span(None, span);
            let source = NamedSource::new(&text.name, shown);
            Report::new(diagnostic.with_label(label)).with_source_code(source)
        }
        None => {
            let place = violation.place.to_string();
            if !place.is_empty() {
                diagnostic.message = format!("{} ({place})", diagnostic.message);
            }
            Report::new(diagnostic)
        }
    };
    let mut theme = match is_coloured {
        true => GraphicalTheme::unicode(),
        false => GraphicalTheme::unicode_nocolor(),
    };
    // Its own is bright cyan, which is not read on white.
    theme.styles.link = theme.styles.linum;
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(columns)
        .with_links(false)
        // What is to be copied stays whole.
        .with_word_separator(textwrap::WordSeparator::AsciiSpace)
        .with_context_lines(1);
    let mut text = String::new();
    match handler.render_report(&mut text, &*report) {
        Ok(()) => text,
        Err(_) => terminal::violation(violation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let text = |name: &str, text: &str| Text {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        let wit = "world tool {\n  /// Greets.\n  export greet: func(name: string);\n}\n";
        Sources {
            manifest: Some(text(
                "greeter/tool.toml",
                "name = \"greeter\"\nprice = -1\n",
            )),
            wit: vec![text("greeter/wit/tool.wit", wit)],
        }
    }

    #[test]
    fn a_violation_shows_its_line_or_its_item_and_what_to_do() {
        let manifest = Violation::new("manifest_invalid", "a price is not negative");
        let cases = [
            (
                manifest.clone().at_pointer("/price"),
                "greeter/tool.toml:2:1",
            ),
            (
                manifest.clone().at_line(2).in_section(SECTION),
                "greeter/tool.toml:2:1",
            ),
            (
                Violation::new("type_unsupported", "a resource").in_function("greet"),
                "greeter/wit/tool.wit:3:10",
            ),
            (
                Violation::new("import_unknown", "what")
                    .in_section("import")
                    .at(7),
                "offset 0x7",
            ),
            (
                Violation::new(
                    "documentation_unreadable",
                    "greeter/wit/tool.wit:3:22: name `strin` does not exist",
                ),
                "greeter/wit/tool.wit:3:22",
            ),
            (Violation::new("unheard_of", "what"), "what"),
        ];
        for (violation, at) in cases {
            let text = rendered(&sources(), &violation, false, 80);
            assert!(text.contains(at) && text.contains(violation.code), "{text}");
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
            assert!(!text.contains('\u{1b}'), "{text}");
        }
        let mut long = sources();
        let manifest = long.manifest.as_mut().expect("there is one");
        manifest.text = format!("description = \"{}\"\nprice = -1\n", "ä ".repeat(80));
        for (pointer, line) in [("/description", "1:1"), ("/price", "2:1")] {
            let violation = Violation::new("manifest_invalid", "what").at_pointer(pointer);
            let text = rendered(&long, &violation, false, 80);
            assert!(text.contains(line) && text.contains('…'), "{text}");
            let is_within = |line: &str| line.chars().count() <= 80;
            assert!(text.lines().all(is_within), "{text}");
        }
        let unsupported = Violation::new("type_unsupported", "a resource").in_function("greet");
        let text = rendered(&sources(), &unsupported, true, 80);
        assert!(text.contains('\u{1b}') && text.contains("help"), "{text}");
    }
}
