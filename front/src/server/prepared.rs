//! Prepares the server before it starts threads.

use crate::config::{Config, Flags};
use crate::hardening::{Hardening, forget_secrets, harden};
use crate::options::ServeOptions;
use crate::terminal;
use anyhow::Context;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use tempfile::TempDir;

/// A server that can start.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    /// The data folder of a demo, which is removed when the demo ends.
    pub(crate) demo_folder: Option<TempDir>,
    pub(crate) hardening: Hardening,
}

/// Reads the configuration and gives up what serving does not need. To be called before there are threads. `None` where
/// there is nothing to serve.
pub(crate) fn prepare(options: ServeOptions) -> anyhow::Result<Option<Prepared>> {
    let flags = Flags {
        listen: options.listen,
        admin_listen: options.admin_listen,
        data: options.data,
    };
    let mut config = Config::read(options.config.as_deref(), flags)?;
    forget_secrets();
    if options.print_config {
        terminal::result(config.printed().trim_end());
        return Ok(None);
    }
    let demo_folder = options.demo.then(tempfile::tempdir).transpose()?;
    if let Some(folder) = &demo_folder {
        config.data = folder.path().to_owned();
    }
    // It must be there to be the folder that is written to.
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data);
    made.with_context(|| format!("cannot make {}", config.data.display()))?;
    let hardening = harden(&config, options.demo)?;
    Ok(Some(Prepared {
        config,
        demo_folder,
        hardening,
    }))
}
