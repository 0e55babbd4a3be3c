//! `tollgate completions`

use crate::exit::End;
use crate::options::{CompletionsOptions, Options};
use clap::CommandFactory;
use std::io::Write;

pub(crate) fn completions(options: &CompletionsOptions) -> End {
    let (mut command, mut script) = (Options::command(), Vec::new());
    clap_complete::generate(options.shell, &mut command, "tollgate", &mut script);
    // A reader that went away is no error of ours.
    let _ = std::io::stdout().write_all(&script);
    End::Good
}
