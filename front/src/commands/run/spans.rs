//! `tollgate run --spans`: what a run spent its time on, and what it asked of other machines, as a waterfall.

use crate::terminal;
use std::time::{Duration, SystemTime};
use tollgate_runtime::{Attribute, Outcome, Span};

/// Columns of a line before its bar, of its time, and of its bar: 80 with the spaces between and an end.
const NAME_COLUMNS: usize = 34;
const BAR_COLUMNS: usize = 24;

/// Draws the parts of a run and its requests, one line each.
pub(super) fn show(outcome: &Outcome) {
    lines(outcome).iter().for_each(terminal::note);
}

/// One line: what, from when to when after the run was asked for, and how it ended.
struct Stretch {
    name: String,
    from: Duration,
    to: Duration,
    end: String,
}

fn lines(outcome: &Outcome) -> Vec<String> {
    let usage = &outcome.usage;
    let after = |micros: &[u64]| Duration::from_micros(micros.iter().sum());
    let loading = after(&[usage.queue_us]);
    let starting = after(&[usage.queue_us, usage.load_us]);
    let calling = starting + after(&[usage.instantiate_us]);
    let whole = starting + after(&[usage.wall_us]);
    let stage = |name: &str, from, to| Stretch {
        name: name.to_owned(),
        from,
        to,
        end: String::new(),
    };
    let stages = [
        stage("queue", Duration::ZERO, loading),
        stage("load", loading, starting),
        stage("instantiate", starting, calling),
        stage("call", calling, whole),
    ];
    let requests = outcome.requests.iter();
    let requests = requests.map(|span| request(span, outcome.started_at, starting, whole));
    let lines = stages.into_iter().chain(requests);
    lines.map(|stretch| line(&stretch, whole)).collect()
}

fn request(span: &Span, run_at: SystemTime, starting: Duration, whole: Duration) -> Stretch {
    let after = |at: SystemTime| {
        let after = at.duration_since(run_at).unwrap_or_default();
        (starting + after).min(whole)
    };
    let path = attribute(span, "path").unwrap_or_default();
    Stretch {
        name: format!("  {}{path}", span.name),
        from: after(span.started_at),
        to: span.ended_at.map_or(whole, after),
        end: end(span),
    }
}

fn line(stretch: &Stretch, whole: Duration) -> String {
    let column = |at: Duration| match whole.is_zero() {
        true => 0,
        false => (at.as_secs_f64() / whole.as_secs_f64() * BAR_COLUMNS as f64) as usize,
    };
    let first = column(stretch.from).min(BAR_COLUMNS - 1);
    let length = column(stretch.to).saturating_sub(first).max(1);
    let bar = format!("{}{}", " ".repeat(first), "█".repeat(length));
    let name = shortened(&stretch.name);
    let taken = milliseconds(stretch.to.saturating_sub(stretch.from));
    let line = format!(
        "{name:<NAME_COLUMNS$} {taken} {bar:<BAR_COLUMNS$} {}",
        stretch.end
    );
    line.trim_end().to_owned()
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
        // Times after the guest's start, which is 40 ms after the run was asked for.
        let span = |from, to: Option<u64>, attributes: Vec<(&'static str, Attribute)>| Span {
            name: "GET a.example.com".to_owned(),
            started_at: at(from),
            ended_at: to.map(at),
            attributes,
        };
        let text = |text: &str| Attribute::Text(text.to_owned());
        let outcome = Outcome {
            room: tollgate_runtime::Room::default(),
            result: Ok(serde_json::Value::Null.into()),
            usage: Usage {
                queue_us: 30_000,
                load_us: 10_000,
                wall_us: 200_000,
                instantiate_us: 20_000,
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
                span(190, None, vec![("path", text("/v1"))]),
            ],
            profile: None,
        };
        let expected = "\
queue                                  30.0 ms ███
load                                   10.0 ms    █
instantiate                            20.0 ms     ██
call                                  180.0 ms       ██████████████████
  GET a.example.com/v1                 60.0 ms           ██████         200
  GET a.example.com/v1/very/long/…      0.0 ms                        █ refused: no
  GET a.example.com/v1                 10.0 ms                        █ cut off";
        assert_eq!(lines(&outcome).join("\n"), expected);
    }
}
