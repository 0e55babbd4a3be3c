//! `tollgate pack`

use super::new_file::NewFile;
use super::{judge, read, runtime};
use crate::exit::End;
use crate::options::PackOptions;
use crate::terminal;
use anyhow::bail;
use tollgate_runtime::NetworkConfig;
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
    let verdict = judge(&runtime(NetworkConfig::default())?, &wasm, &options.tool).await;
    if !verdict.is_admitted() {
        return Ok(rejected(&verdict.violations, &options));
    }
    NewFile::open(&options.output)?.write(|file| file.write_all(&wasm))?;
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
