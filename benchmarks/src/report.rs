//! What was measured, as a table for people and as JSON for programs.

use crate::effort::Effort;
use crate::machine;
use serde_json::{Value, json};
use std::fmt::Write;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The measurement it is of, as `--only` names it.
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// `None` where there is nothing of ours to measure yet.
    pub(crate) ours: Option<f64>,
    /// What it is measured against, in the same run, and its value.
    pub(crate) reference: Option<(String, f64)>,
    pub(crate) bar: Bar,
    /// Anything else a reader should know, such as how many calls there were.
    pub(crate) note: String,
}

/// What the values count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    Share,
    PerSecond,
}

/// What a value should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// At most so many times the reference.
    Times(f64),
    /// At least so many times the reference.
    AtLeastTimes(f64),
    /// At least so many times less than the reference.
    Faster(f64),
    /// At most so much more than the reference.
    Beyond(f64),
    /// At most so much.
    AtMost(f64),
    /// At least so much.
    AtLeast(f64),
    /// For scale only.
    None,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let (_, reference) = self.reference.as_ref()?;
        Some(self.ours? / reference)
    }

    /// Whether the bar is met; `None` where there is none, or nothing to compare with.
    fn is_met(&self) -> Option<bool> {
        let reference = self.reference.as_ref().map(|(_, value)| *value);
        let ours = self.ours?;
        match self.bar {
            Bar::Times(times) => Some(ours <= times * reference?),
            Bar::AtLeastTimes(times) => Some(ours >= times * reference?),
            Bar::Faster(times) => Some(ours * times <= reference?),
            Bar::Beyond(more) => Some(ours - reference? <= more),
            Bar::AtMost(most) => Some(ours <= most),
            Bar::AtLeast(least) => Some(ours >= least),
            Bar::None => None,
        }
    }

    fn bar(&self) -> String {
        match self.bar {
            Bar::Times(times) => format!("≤ {times} ×"),
            Bar::AtLeastTimes(times) => format!("≥ {times} ×"),
            Bar::Faster(times) => format!("≥ {times} × less"),
            Bar::Beyond(more) => format!("≤ reference + {}", self.unit.show(more)),
            Bar::AtMost(most) => format!("≤ {}", self.unit.show(most)),
            Bar::AtLeast(least) => format!("≥ {}", self.unit.show(least)),
            Bar::None => "–".to_owned(),
        }
    }

    fn met(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        }
    }

    fn line(&self) -> String {
        let reference = self
            .reference
            .as_ref()
            .map_or("–".to_owned(), |(what, value)| {
                format!("{} ({what})", self.unit.show(*value))
            });
        let ratio = self
            .ratio()
            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        let note = if self.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.note)
        };
        format!(
            "| {}{note} | {} | {reference} | {ratio} | {} | {} |",
            self.what,
            self.ours
                .map_or("–".to_owned(), |ours| self.unit.show(ours)),
            self.bar(),
            self.met(),
        )
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "what": self.what,
            "unit": self.unit.name(),
            "ours": self.ours,
            "reference": self.reference.as_ref().map(|(_, value)| value),
            "reference_is": self.reference.as_ref().map(|(what, _)| what),
            "ratio": self.ratio(),
            "bar": self.bar(),
            "met": self.is_met(),
            "note": self.note,
        })
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Share => "share",
            Unit::PerSecond => "per_second",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Unit::Seconds if value.abs() < 1e-3 => format!("{:.1} µs", value * 1e6),
            Unit::Seconds if value.abs() < 1.0 => format!("{:.2} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Bytes => format!("{:.1} KiB", value / 1024.0),
            Unit::Share => format!("{:.1} %", value * 100.0),
            Unit::PerSecond => format!("{value:.0} /s"),
        }
    }
}

/// Says loudly what could not be measured.
pub(crate) fn skip(what: &str) {
    eprintln!("SKIP: {what}");
}

/// Everything that was measured, and where.
pub(crate) struct Report {
    effort: Effort,
    load_before: String,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(effort: Effort) -> Self {
        Self {
            effort,
            load_before: machine::load(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        rows.iter().for_each(|row| eprintln!("{}", row.line()));
        self.rows.extend(rows);
    }

    /// In Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| what | ours | reference | ratio | bar | met |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        for row in &self.rows {
            let _ = writeln!(table, "{}", row.line());
        }
        table
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "machine": {
                "processor": machine::processor(),
                "cores": machine::cores(),
                "load_before": self.load_before,
            },
            "tollgate": env!("CARGO_PKG_VERSION"),
            "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
            "rounds": self.effort.rounds,
            "brief": self.effort.is_brief,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bar: Bar, ours: f64, reference: Option<f64>) -> Row {
        Row {
            name: "row",
            what: "what".to_owned(),
            unit: Unit::Seconds,
            ours: Some(ours),
            reference: reference.map(|value| ("theirs".to_owned(), value)),
            bar,
            note: String::new(),
        }
    }

    #[test]
    fn a_bar_is_met_up_to_its_edge_and_not_beyond() {
        let cases = [
            (Bar::Times(3.0), 3.0, Some(1.0), Some(true)),
            (Bar::Times(3.0), 3.1, Some(1.0), Some(false)),
            (Bar::Times(3.0), 3.0, None, None),
            (Bar::AtLeastTimes(1.6), 1.6, Some(1.0), Some(true)),
            (Bar::AtLeastTimes(1.6), 1.5, Some(1.0), Some(false)),
            (Bar::Faster(5.0), 1.0, Some(5.0), Some(true)),
            (Bar::Faster(5.0), 1.1, Some(5.0), Some(false)),
            (Bar::Beyond(0.5), 1.5, Some(1.0), Some(true)),
            (Bar::Beyond(0.5), 1.6, Some(1.0), Some(false)),
            (Bar::AtMost(2.0), 2.0, None, Some(true)),
            (Bar::AtMost(2.0), 2.1, None, Some(false)),
            (Bar::AtLeast(0.95), 0.95, Some(1.0), Some(true)),
            (Bar::AtLeast(0.95), 0.94, Some(1.0), Some(false)),
            (Bar::AtMost(2.0), f64::NAN, None, Some(false)),
            (Bar::None, 1.0, Some(1.0), None),
        ];
        for (bar, ours, reference, expected) in cases {
            let row = row(bar, ours, reference);
            assert_eq!(row.is_met(), expected, "{row:?}");
        }
    }

    #[test]
    fn what_was_not_measured_meets_nothing_and_fails_nothing() {
        let row = Row {
            ours: None,
            ..row(Bar::Times(1.0), 1.0, Some(1.0))
        };
        assert_eq!((row.is_met(), row.ratio()), (None, None));
        assert!(
            row.line().contains("| – | 1.00 s (theirs) | – |"),
            "{}",
            row.line()
        );
    }

    #[test]
    fn a_line_says_value_reference_ratio_bar_and_met() {
        let line = row(Bar::Times(1.25), 0.000_03, Some(0.000_02)).line();
        assert_eq!(
            line,
            "| what | 30.0 µs | 20.0 µs (theirs) | 1.50 | ≤ 1.25 × | **no** |"
        );
    }
}
