//! `tollgate run --spans`: what a run asked of other machines, and when, as a waterfall.

use crate::terminal;
use std::time::{Duration, SystemTime};
use tollgate_runtime::{Attribute, Outcome, Span};

/// Columns of a line before its bar, of its time, and of its bar: 80 with the spaces between and an end.
const NAME_COLUMNS: usize = 34;
const BAR_COLUMNS: usize = 24;

/// Draws the run and its requests, one line each.
pub(super) fn show(outcome: &Outcome) {
    lines(outcome).iter().for_each(terminal::note);
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let usage = &outcome.usage;
    let whole = Duration::from_micros(usage.wall_us);
    let alone = |name: &str, micros: u64| {
        let taken = milliseconds(Duration::from_micros(micros));
        format!("{name:<NAME_COLUMNS$} {taken}")
    };
    let mut lines = vec![
        alone("queue", usage.queue_us),
        alone("load", usage.load_us),
        format!(
            "{:<NAME_COLUMNS$} {} {}",
            "run",
            milliseconds(whole),
            "█".repeat(BAR_COLUMNS)
        ),
    ];
    let requests = outcome.requests.iter();
    lines.extend(requests.map(|span| line(span, outcome.started_at, whole)));
    lines
}

fn line(span: &Span, run_at: SystemTime, whole: Duration) -> String {
    let after = |at: SystemTime| at.duration_since(run_at).unwrap_or_default().min(whole);
    let (from, to) = (after(span.started_at), span.ended_at.map_or(whole, after));
    let column = |at: Duration| match whole.is_zero() {
        true => 0,
        false => (at.as_secs_f64() / whole.as_secs_f64() * BAR_COLUMNS as f64) as usize,
    };
    let first = column(from).min(BAR_COLUMNS - 1);
    let length = (column(to).saturating_sub(first)).max(1);
    let bar = format!("{}{}", " ".repeat(first), "█".repeat(length));
    let path = attribute(span, "path").unwrap_or_default();
    let name = shortened(&format!("  {}{path}", span.name));
    let taken = milliseconds(to.saturating_sub(from));
    let end = end(span);
    format!("{name:<NAME_COLUMNS$} {taken} {bar:<BAR_COLUMNS$} {end}")
}

/// The status, or why there is none.
fn end(span: &Span) -> String {
    let refused = attribute(span, "refused").map(|reason| format!("refused: {reason}"));
    let told = refused.or_else(|| attribute(span, "error"));
    let told = told.or_else(|| attribute(span, "status"));
    told.unwrap_or_else(|| "cut off".to_owned())
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|(it, _)| *it == name);
    found.map(|(_, attribute)| match attribute {
        Attribute::Text(text) => terminal::plain_lines(text),
        Attribute::Number(number) => number.to_string(),
    })
}

fn milliseconds(time: Duration) -> String {
    format!("{:>8.1} ms", 1000.0 * time.as_secs_f64())
}

fn shortened(name: &str) -> String {
    match name.chars().count() > NAME_COLUMNS {
        true => name.chars().take(NAME_COLUMNS - 1).chain(['…']).collect(),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_runtime::Usage;

    #[test]
    fn a_request_stands_where_it_was_in_the_run() {
        let run_at = SystemTime::UNIX_EPOCH;
        let at = |ms| run_at + Duration::from_millis(ms);
        let span = |from, to: Option<u64>, attributes: Vec<(&'static str, Attribute)>| Span {
            name: "GET a.example.com".to_owned(),
            started_at: at(from),
            ended_at: to.map(at),
            attributes,
        };
        let text = |text: &str| Attribute::Text(text.to_owned());
        let outcome = Outcome {
            result: Ok(serde_json::Value::Null),
            usage: Usage {
                queue_us: 100,
                wall_us: 240_000,
                ..Usage::default()
            },
            started_at: run_at,
            logs: Vec::new(),
            requests: vec![
                span(
                    60,
                    Some(120),
                    vec![("path", text("/v1")), ("status", Attribute::Number(200))],
                ),
                span(
                    240,
                    Some(240),
                    vec![
                        ("path", text("/v1/very/long/path")),
                        ("refused", text("no")),
                    ],
                ),
                span(200, None, vec![("path", text("/v1"))]),
            ],
            profile: None,
        };
        let expected = "\
queue                                   0.1 ms
load                                    0.0 ms
run                                   240.0 ms ████████████████████████
  GET a.example.com/v1                 60.0 ms       ██████             200
  GET a.example.com/v1/very/long/…      0.0 ms                        █ refused: no
  GET a.example.com/v1                 40.0 ms                     ████ cut off";
        assert_eq!(lines(&outcome).join("\n"), expected);
    }
}
