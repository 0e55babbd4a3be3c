//! Authorities to be trusted beside the platform's, named in the environment as most systems' TLS takes them. The library
//! reads no environment.

use anyhow::Context;
use std::path::PathBuf;

/// The content of the file that `SSL_CERT_FILE` names, where it is set.
pub(crate) fn of_environment() -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from) else {
        return Ok(None);
    };
    let read = std::fs::read(&path);
    let read = read.with_context(|| format!("SSL_CERT_FILE: cannot read {}", path.display()))?;
    Ok(Some(read))
}
