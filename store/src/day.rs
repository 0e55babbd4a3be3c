//! A day of UTC, as usage is added up by.

use crate::time::Time;
use std::fmt;
use std::str::FromStr;

/// How long `2026-11-25` is.
const TEXT_BYTES: usize = 10;

/// A day of UTC: `2026-11-25`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    begins_at: Time,
}

impl Day {
    /// The day of a time.
    pub(crate) fn of(time: Time) -> Self {
        Self {
            begins_at: Time::midnight(time.date()),
        }
    }

    /// When it begins, as the database has it.
    pub(crate) fn begins_at(self) -> Time {
        self.begins_at
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.TEXT_BYTES$}", self.begins_at.to_string())
    }
}

/// Not a day as it is written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a day since 1970 such as 2026-11-25")]
pub struct InvalidDay;

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let begins_at = format!("{text}T00:00:00Z").parse();
        let day = Self {
            begins_at: begins_at.map_err(|_| InvalidDay)?,
        };
        // One text for one day: the parser takes others, too.
        match day.to_string() == text {
            true => Ok(day),
            false => Err(InvalidDay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written_and_only_so() {
        let last: Time = "2026-11-25T23:59:59.999999Z".parse().expect("a time");
        let day = Day::of(last);
        assert_eq!(day.to_string(), "2026-11-25");
        assert_eq!("2026-11-25".parse(), Ok(day));
        assert_eq!(day.begins_at().to_string(), "2026-11-25T00:00:00.000000Z");
        for text in [
            "",
            "20261125",
            "2026-11-31",
            "2026-11-25T00:00:00Z",
            "2026-11-25 ",
            "+002026-11-25",
            "1969-12-31",
            "9999-12-31",
        ] {
            assert_eq!(text.parse::<Day>(), Err(InvalidDay), "{text}");
        }
    }
}
