//! `tollgate run --profile`: where a run's time went, as a file for a profiler and in ten lines.

use crate::commands::new_file::NewFile;
use crate::terminal;
use std::path::Path;
use std::time::Duration;
use tollgate_runtime::{Hotspot, Profile};

const FUNCTIONS_SHOWN: usize = 10;
const COLUMNS: usize = 80;

/// Writes the profile and says on the terminal what is hottest.
pub(super) fn show(
    profile: Option<Profile>,
    file: NewFile,
    out: &Path,
    tool: &Path,
) -> anyhow::Result<()> {
    let Some(profile) = profile else {
        terminal::note("no profile: the run did not come to an end of its own");
        return Ok(());
    };
    let title = format!("tollgate run {}", tool.display());
    file.write(|file| profile.write(&title, file))?;
    terminal::note(format_args!(
        "profile: {} samples, {:.0} ms of CPU; open {} at https://profiler.firefox.com",
        profile.samples(),
        1000.0 * profile.cpu().as_secs_f64(),
        out.display()
    ));
    match profile.samples() {
        0 => terminal::note("  the tool was done within a millisecond: there was nothing to see"),
        _ => table(&profile.hottest(FUNCTIONS_SHOWN), profile.cpu())
            .iter()
            .for_each(terminal::note),
    }
    Ok(())
}

/// A line for each function and one above them, none wider than a terminal.
fn table(hottest: &[Hotspot], all: Duration) -> Vec<String> {
    let mut lines = vec![format!("{:^16}  {:^16}  function", "self", "total")];
    for Hotspot {
        function,
        own,
        total,
    } in hottest
    {
        let numbers = format!("{}  {}  ", share(*own, all), share(*total, all));
        let room = COLUMNS.saturating_sub(numbers.chars().count());
        lines.push(numbers + &shortened(function, room));
    }
    lines
}

fn share(part: Duration, all: Duration) -> String {
    let percent = match all.is_zero() {
        true => 0.0,
        false => 100.0 * part.as_secs_f64() / all.as_secs_f64(),
    };
    format!("{percent:>5.1} %{:>6.0} ms", 1000.0 * part.as_secs_f64())
}

/// A name in so many characters: what it ends with says more than what it begins with.
fn shortened(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let tail: String = name.chars().skip(length + 1 - room).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_fits_a_terminal() {
        let hotspot = |function: &str, own_ms, total_ms| Hotspot {
            function: function.to_owned(),
            own: Duration::from_millis(own_ms),
            total: Duration::from_millis(total_ms),
        };
        let long = "<core::iter::adapters::map::Map<I, F> as core::iter::traits::iterator::Iterator>::fold";
        let hottest = [hotspot("inner", 29_100, 30_000), hotspot(long, 900, 900)];
        let table = table(&hottest, Duration::from_secs(30));
        let expected = "      self             total        function
 97.0 % 29100 ms  100.0 % 30000 ms  inner
  3.0 %   900 ms    3.0 %   900 ms  …re::iter::traits::iterator::Iterator>::fold";
        assert_eq!(table.join("\n"), expected);
        assert!(table.iter().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn without_any_time_there_are_no_shares() {
        assert_eq!(share(Duration::ZERO, Duration::ZERO), "  0.0 %     0 ms");
    }
}
