//! `tollgate new`: a folder with a small tool that builds, is admitted, and waits to become another.

use crate::exit::End;
use crate::options::{Language, NewOptions};
use crate::terminal;
use anyhow::{Context, bail};
use std::fs;
use std::io;
use std::path::Path;
use tollgate_validator::is_tool_name;

/// A file's path, and its text with `@NAME@` where the tool's goes.
type Template = (&'static str, &'static str);

macro_rules! templates {
    ($folder:literal: $($file:literal),+) => {
        &[
            (".gitignore", include_str!(concat!("../../templates/", $folder, "/gitignore"))),
            ("README.md", include_str!(concat!("../../templates/", $folder, "/README.md"))),
            ("tool.toml", include_str!(concat!("../../templates/", $folder, "/tool.toml"))),
            ("wit/tool.wit", include_str!(concat!("../../templates/", $folder, "/wit/tool.wit"))),
            $(($file, include_str!(concat!("../../templates/", $folder, "/", $file)))),+
        ]
    };
}

const RUST: &[Template] = templates!("rust": "Cargo.toml", "src/lib.rs");
const JAVASCRIPT: &[Template] = templates!("javascript": "package.json", "build.js", "tool.js");
const PYTHON: &[Template] = templates!("python": "requirements.txt", "app.py");

pub(crate) fn new(options: &NewOptions) -> anyhow::Result<End> {
    let name = options.name.as_str();
    if !is_tool_name(name) {
        bail!(
            "a tool's name is 1 to 64 of a-z, 0-9 and `-`, beginning with a letter; `{name}` is not"
        );
    }
    let folder = Path::new(name);
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name} is there already; choose another name, or remove it")
        }
        made => made.with_context(|| format!("cannot make the folder {name}"))?,
    }
    if let Err(error) = write(folder, templates(options.lang), name) {
        let _ = fs::remove_dir_all(folder);
        return Err(error)
            .with_context(|| format!("cannot write into {name}; nothing is left of it"));
    }
    terminal::result(format_args!(
        "{} {name}, a tool in {}. Next:\n\n  cd {name}\n  tollgate run . --build --input '{{\"name\": \"Ada\"}}'\n  tollgate validate .\n\n{name}/README.md goes on from there.",
        terminal::good("made"),
        options.lang
    ));
    Ok(End::Good)
}

fn templates(language: Language) -> &'static [Template] {
    match language {
        Language::Rust => RUST,
        Language::Javascript => JAVASCRIPT,
        Language::Python => PYTHON,
    }
}

fn write(folder: &Path, templates: &[Template], name: &str) -> io::Result<()> {
    for (path, text) in templates {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text.replace("@NAME@", name))?;
    }
    Ok(())
}
