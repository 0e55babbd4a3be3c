//! Points in time: microseconds since 1970 in the database, RFC 3339 in answers.

use crate::sql::{Cell, Column, Value};
use jiff::Timestamp;
use jiff::civil::{self, Date};
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 24 hours.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Microseconds since the start of 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// By the machine's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// A time of the database, or of an identifier.
    pub(crate) fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Since 1970.
    pub(crate) fn as_micros(self) -> i64 {
        self.0
    }

    /// After every other.
    pub(crate) fn last() -> Self {
        Self(i64::MAX)
    }

    /// So long before.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// So long after.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// Its day, in UTC.
    pub(crate) fn date(self) -> Date {
        let time = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(time).date()
    }

    /// When a day begins, in UTC.
    pub(crate) fn midnight(date: Date) -> Self {
        let midnight = TimeZone::UTC.to_timestamp(date.to_datetime(civil::Time::midnight()));
        Self(midnight.unwrap_or_default().as_microsecond())
    }

    /// How long ago `earlier` was; nothing where it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        Self(micros(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> Self {
        UNIX_EPOCH + Duration::from_micros(u64::try_from(time.0).unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six digits always, so that texts sort like times.
        let time = Timestamp::from_microsecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{time:.6}")
    }
}

/// Not a time as RFC 3339 has it, or one before 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time since 1970 as RFC 3339 has it")]
pub struct InvalidTime;

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let time: Timestamp = text.parse().map_err(|_| InvalidTime)?;
        match time.as_microsecond() {
            micros @ 0.. => Ok(Self(micros)),
            _ => Err(InvalidTime),
        }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Time> for Value<'_> {
    fn from(time: Time) -> Self {
        Self::Integer(time.0)
    }
}

impl Column<'_> for Time {
    fn read(cell: &Cell) -> Result<Self, &'static str> {
        i64::read(cell).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_with_micros() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000000Z");
        let later = Time(0).after(Duration::from_micros(1_500_000));
        assert_eq!(later.to_string(), "1970-01-01T00:00:01.500000Z");
        assert_eq!(later.since(Time(0)), Duration::from_micros(1_500_000));
        assert_eq!(Time(0).since(later), Duration::ZERO);
    }

    #[test]
    fn times_are_read_from_any_zone_and_since_1970() {
        for text in ["1970-01-01T01:00:01.5+01:00", "1970-01-01t00:00:01.500000z"] {
            assert_eq!(text.parse(), Ok(Time(1_500_000)), "{text}");
        }
        for text in [
            "",
            "now",
            "1970-01-01",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Time>(), Err(InvalidTime), "{text}");
        }
    }
}
