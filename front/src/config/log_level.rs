//! What `log.level` says.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// The lines that are logged: those of a level, or of parts of the program with levels of their own, between commas, such
/// as `info,tollgate=debug`. What lets every such text in, as [`Targets`] does by itself, turns the log off by a
/// misspelling.
pub(crate) fn lines(text: &str) -> Option<Targets> {
    let mut lines = Targets::new();
    for part in text.split(',').map(str::trim) {
        lines = match part.split_once('=') {
            Some((module, level)) if is_module(module) => lines.with_target(module, named(level)?),
            Some(_) => return None,
            None => lines.with_default(named(part)?),
        };
    }
    Some(lines)
}

fn is_module(text: &str) -> bool {
    let is_of_name = |it: u8| it.is_ascii_alphanumeric() || it == b'_' || it == b':';
    !text.is_empty() && text.bytes().all(is_of_name)
}

fn named(level: &str) -> Option<LevelFilter> {
    // An empty one is parsed, too.
    level.parse().ok().filter(|_| !level.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_level_is_for_all_that_has_none_of_its_own() {
        let lines = lines("warn, tollgate=debug,tollgate_store::writer=off").expect("levels");
        for (module, level, is_logged) in [
            ("hyper", Level::WARN, true),
            ("hyper", Level::INFO, false),
            ("tollgate::server", Level::DEBUG, true),
            ("tollgate::server", Level::TRACE, false),
            ("tollgate_store::writer", Level::ERROR, false),
        ] {
            assert_eq!(lines.would_enable(module, &level), is_logged, "{module}");
        }
        assert!(super::lines("OFF").is_some());
    }

    #[test]
    fn what_would_turn_the_log_off_by_mistake_is_refused() {
        for text in [
            "",
            "loud",
            "info,",
            ",info",
            "tollgate=",
            "=info",
            "a=b=c",
            "[request]=debug",
            "tollgate[request]=debug",
            "info;tollgate=debug",
        ] {
            assert!(lines(text).is_none(), "{text}");
        }
    }
}
