//! Checks the paths of a `[command]`.

use super::VIOLATIONS_MAX;
use crate::tool::manifest::DeclaredCommand;
use crate::violation::{Violation, quoted};
use std::collections::{BTreeSet, HashSet};
use std::path::{Component, Path};

/// The most bytes of a file's name, as file systems have it.
const FILE_NAME_BYTES_MAX: usize = 255;
/// The most levels of a file's path.
const PATH_LEVELS_MAX: usize = 16;
/// The most bytes of a file's path.
const PATH_BYTES_MAX: usize = 1024;
/// The most files and folders of a command, outputs included.
const PATHS_MAX: usize = 1024;

/// Files that the program is given or asked for: plain paths, of which none is another's folder.
pub(super) fn check_paths(command: &DeclaredCommand) -> Vec<Violation> {
    let invalid =
        |message: String| Violation::new("manifest_invalid", message).at_pointer("/command");
    let paths = || command.files.keys().chain(&command.outputs);
    let not_plain = paths().filter(|path| !is_plain_path(path)).map(|path| {
        let path = quoted(path);
        invalid(format!("`{path}` must be a file's path inside of /scratch: no `/` before it, no `..`, no control characters, names of at most {FILE_NAME_BYTES_MAX} bytes"))
    });
    let is_long = |path: &&String| {
        path.len() > PATH_BYTES_MAX || Path::new(path).components().count() > PATH_LEVELS_MAX
    };
    let long = paths().filter(is_long).map(|path| {
        let path = quoted(path);
        invalid(format!("`{path}` is too long: a path has at most {PATH_LEVELS_MAX} levels and {PATH_BYTES_MAX} bytes"))
    });
    let folders = paths().filter(|path| !is_long(path)).flat_map(|path| {
        let above = Path::new(path).ancestors().skip(1);
        above.filter(|it| !it.as_os_str().is_empty())
    });
    let made = paths().count() + folders.collect::<HashSet<_>>().len();
    let many = (made > PATHS_MAX).then(|| {
        invalid(format!(
            "the command has {made} files and folders; at most {PATHS_MAX} are allowed"
        ))
    });
    let all: BTreeSet<&str> = paths().map(String::as_str).collect();
    let is_folder_of = |folder: &String| {
        let inside = format!("{folder}/");
        let mut after = all.range(inside.as_str()..);
        after.next().is_some_and(|path| path.starts_with(&inside))
    };
    let folders = paths().filter(|path| is_folder_of(path)).map(|path| {
        invalid(format!(
            "`{}` is a file and a folder of another",
            quoted(path)
        ))
    });
    let violations = not_plain.chain(long).chain(many).chain(folders);
    violations.take(VIOLATIONS_MAX).collect()
}

fn is_plain_path(path: &str) -> bool {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => name.len() <= FILE_NAME_BYTES_MAX,
        _ => false,
    };
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(is_plain) && !path.chars().any(char::is_control)
}
