//! A table as weather services publish them, and its description by other means than the tool's.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Stations' readings, with everything that makes CSV awkward: quotes, commas and line breaks in cells, gaps,
/// spaces, several notations of numbers, and lines that end as Windows ends them.
pub(crate) fn weather(rows: usize) -> String {
    let mut csv =
        "station,\"name, as painted\",day,celsius,wind,raining,code,empty,note\r\n".to_owned();
    let mut state = 12_345_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for row in 0..rows {
        let name = [
            "Oslo",
            "\"Bergen, Florida\"",
            "\"the \"\"Rock\"\"\"",
            "São Paulo",
            "\"Split\r\nCroatia\"",
        ][next(5) as usize];
        let celsius = match next(20) {
            0 => String::new(),
            1 => "  ".to_owned(),
            2 => format!("{}e-1", next(300)),
            3 => format!(" -{}.5 ", next(40)),
            _ => format!("{}.{:02}", next(35), next(100)),
        };
        let wind = if next(7) == 0 {
            String::new()
        } else {
            format!("{}", next(200) as i64 - 100)
        };
        let raining = ["true", "FALSE", "True", ""][next(4) as usize];
        let code = if next(100) == 0 {
            "n/a".to_owned()
        } else {
            next(9999).to_string()
        };
        let note = if row % 50 == 0 {
            "\"a \"\"quoted\"\", note\""
        } else {
            "-"
        };
        let station = 1000 + next(400);
        let day = row % 365 + 1;
        writeln!(
            csv,
            "{station},{name},{day},{celsius},{wind},{raining},{code},,{note}\r"
        )
        .expect("a string grows");
    }
    csv
}

/// What a table holds.
pub(crate) struct Described {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}

/// What a column holds.
pub(crate) struct Column {
    title: String,
    cells: Vec<String>,
}

impl Described {
    pub(crate) fn of(csv: &str) -> Self {
        let mut reader = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
        let titles: Vec<_> = reader
            .headers()
            .expect("titles")
            .iter()
            .map(str::to_owned)
            .collect();
        let rows: Vec<_> = reader.records().collect::<Result<_, _>>().expect("a table");
        let column = |(index, title): (usize, &String)| Column {
            title: title.clone(),
            cells: rows
                .iter()
                .map(|row| row[index].trim().to_owned())
                .collect(),
        };
        Self {
            rows: rows.len(),
            columns: titles.iter().enumerate().map(column).collect(),
        }
    }
}

impl Column {
    pub(crate) fn check(&self, described: &Value) {
        let title = &self.title;
        let filled: Vec<_> = self.cells.iter().filter(|cell| !cell.is_empty()).collect();
        let lengths = || filled.iter().map(|cell| cell.chars().count());
        let expected = [
            ("name", json!(title)),
            ("kind", json!(self.kind())),
            ("filled", json!(filled.len())),
            ("missing", json!(self.cells.len() - filled.len())),
            (
                "distinct",
                json!(filled.iter().collect::<BTreeSet<_>>().len()),
            ),
            ("shortest", json!(lengths().min())),
            ("longest", json!(lengths().max())),
        ];
        for (key, value) in expected {
            assert_eq!(described[key], value, "{title}: {key}");
        }
        if !["integer", "float"].contains(&self.kind()) {
            return assert_eq!(described["numbers"], Value::Null, "{title}");
        }
        let mut numbers: Vec<f64> = filled
            .iter()
            .map(|cell| cell.parse().expect("a number"))
            .collect();
        numbers.sort_by(f64::total_cmp);
        let count = numbers.len();
        let mean = numbers.iter().sum::<f64>() / count as f64;
        // The mean of the middle one with itself, where there is only one.
        let median = (numbers[(count - 1) / 2] + numbers[count / 2]) / 2.0;
        let squares = numbers.iter().map(|number| number * number).sum::<f64>() / count as f64;
        let expected = [
            ("min", numbers[0]),
            ("max", numbers[count - 1]),
            ("mean", mean),
            ("median", median),
            ("deviation", (squares - mean * mean).sqrt()),
        ];
        for (key, value) in expected {
            let found = described["numbers"][key].as_f64().expect("a number");
            assert!(
                (found - value).abs() <= 1e-9 * value.abs().max(1.0),
                "{title}: {key} {found}, not {value}"
            );
        }
    }

    /// By what the table was made of.
    fn kind(&self) -> &'static str {
        match self.title.as_str() {
            "station" | "day" | "wind" => "integer",
            "celsius" => "float",
            "raining" => "boolean",
            "empty" => "empty",
            _ => "text",
        }
    }
}
