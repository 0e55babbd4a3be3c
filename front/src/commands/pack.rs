//! `tollgate pack`

use super::{judge, read, runtime};
use crate::exit::End;
use crate::options::PackOptions;
use crate::terminal;
use anyhow::{Context, bail};
use std::path::Path;
use tollgate_runtime::Violation;

pub(crate) async fn pack(options: PackOptions) -> anyhow::Result<End> {
    if !options.tool.is_dir() {
        bail!(
            "{} is not a folder with a tool.toml: there is nothing to pack",
            options.tool.display()
        );
    }
    let wasm = match read(&options.tool)? {
        Ok(wasm) => wasm,
        Err(violation) => return Ok(rejected(&[violation], &options)),
    };
    let verdict = judge(&runtime()?, &wasm, &options.tool).await;
    if !verdict.is_admitted() {
        return Ok(rejected(&verdict.violations, &options));
    }
    write(&options.output, &wasm)?;
    terminal::note(format_args!(
        "packed {} ({} bytes)",
        options.output.display(),
        wasm.len()
    ));
    Ok(End::Good)
}

fn rejected(violations: &[Violation], options: &PackOptions) -> End {
    terminal::error(&format!(
        "{} would not be admitted; nothing was written",
        options.tool.display()
    ));
    violations
        .iter()
        .for_each(|violation| terminal::note(terminal::violation(violation)));
    End::ToolFailed
}

/// The whole file or none of it.
fn write(output: &Path, wasm: &[u8]) -> anyhow::Result<()> {
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let cannot = || format!("cannot write {}", output.display());
    // As any file is made; the umask takes away from it.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .permissions(readable)
        .tempfile_in(folder)
        .with_context(cannot)?;
    std::io::Write::write_all(&mut file, wasm).with_context(cannot)?;
    file.persist(output).with_context(cannot)?;
    Ok(())
}
