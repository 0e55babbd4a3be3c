//! A seller's file or folder on disk becomes the bytes of one tool.

use crate::pack::{documentation, pack};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tollgate_runtime::manifest::{Build, MANIFEST_BYTES_MAX, Manifest, SECTION};
use tollgate_runtime::{TOOL_BYTES_MAX, Violation, quoted};

/// The manifest's name while developing.
pub const MANIFEST_FILE: &str = "tool.toml";

/// Why there are no bytes. The message names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The folder is no tool's.
    #[error("{0}")]
    NoTool(String),
    /// The manifest or the WebAssembly text is wrong.
    #[error("{path}: {violation}", path = path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        violation: Violation,
    },
}

impl SourceError {
    fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            error,
        }
    }

    fn invalid(path: &Path, violation: Violation) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            violation,
        }
    }
}

/// Reads a tool: a `.wasm` as it lies, a `.wat` assembled, a folder by its `tool.toml`, whose `[build].output`
/// (else its only `.wasm` or `.wat`) is taken as it lies and packed with the manifest.
pub fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    if path.is_dir() {
        read_folder(path)
    } else {
        read_file(path)
    }
}

/// The manifest that a file carries, where it can be read.
pub fn manifest_in(wasm: &[u8]) -> Option<String> {
    let survey = tollgate_runtime::checks::readable(wasm).ok()?;
    let mut sections = survey.custom_sections.iter();
    let section = sections.find(|it| it.name == SECTION)?;
    if section.data.len() > MANIFEST_BYTES_MAX {
        return None;
    }
    String::from_utf8(section.data.to_vec()).ok()
}

fn read_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let unreadable = |error| SourceError::unreadable(path, error);
    let file = fs::metadata(path).map_err(unreadable)?;
    if !file.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        return Err(SourceError::unreadable(path, error));
    }
    // A little more than the gate takes is enough for the gate to say so.
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    let read = file.take(TOOL_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    if path.extension().is_some_and(|extension| extension == "wat") {
        assemble_file(path, &bytes)
    } else {
        Ok(bytes)
    }
}

/// WebAssembly text as bytes.
pub fn assemble(text: &str) -> Result<Vec<u8>, Violation> {
    wat::parse_str(text).map_err(|error| {
        Violation::new("format_malformed", quoted(&error.to_string())).in_section("text")
    })
}

fn assemble_file(path: &Path, text: &[u8]) -> Result<Vec<u8>, SourceError> {
    let assembled = wat::parse_bytes(text).map_err(|mut error| {
        error.set_path(path);
        SourceError::invalid(
            path,
            Violation::new("format_malformed", error.to_string()).in_section("text"),
        )
    })?;
    Ok(assembled.into_owned())
}

fn read_folder(folder: &Path) -> Result<Vec<u8>, SourceError> {
    let manifest_path = folder.join(MANIFEST_FILE);
    let text = match fs::read_to_string(&manifest_path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!(
                "{} has no {MANIFEST_FILE}: a tool is a .wasm, a .wat or a folder with a {MANIFEST_FILE}",
                folder.display()
            );
            return Err(SourceError::NoTool(message));
        }
        Err(error) => return Err(SourceError::unreadable(&manifest_path, error)),
    };
    let manifest = Manifest::parse(&text)
        .map_err(|violation| SourceError::invalid(&manifest_path, violation))?;
    let file = built_file(folder, manifest.build.as_ref())?;
    let wasm = read_file(&file)?;
    let wit = folder.join("wit");
    let documentation = if wit.is_dir() {
        Some(documentation(&wit).map_err(|violation| SourceError::invalid(&wit, violation))?)
    } else {
        None
    };
    // What is no WebAssembly cannot be packed; the gate says why.
    Ok(pack(&wasm, &text, documentation.as_deref()).unwrap_or(wasm))
}

fn built_file(folder: &Path, build: Option<&Build>) -> Result<PathBuf, SourceError> {
    if let Some(output) = build.and_then(|build| build.output.as_ref()) {
        let file = folder.join(output);
        if file.is_file() {
            return Ok(file);
        }
        let how = match build.and_then(|build| build.command.as_ref()) {
            Some(command) => format!("build it with `{command}` in {}", folder.display()),
            None => "build it first".to_owned(),
        };
        return Err(SourceError::NoTool(format!(
            "{} is not there: {how}",
            file.display()
        )));
    }
    let mut files = with_extension(folder, "wasm")?;
    if files.is_empty() {
        files = with_extension(folder, "wat")?;
    }
    match files.len() {
        1 => Ok(files.remove(0)),
        0 => Err(SourceError::NoTool(format!(
            "{} has no .wasm: build the tool, or name it as [build].output",
            folder.display()
        ))),
        _ => Err(SourceError::NoTool(format!(
            "{} has more than one .wasm: name the tool's as [build].output",
            folder.display()
        ))),
    }
}

fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, SourceError> {
    let entries = fs::read_dir(folder).map_err(|error| SourceError::unreadable(folder, error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect())
}
