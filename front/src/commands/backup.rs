//! `tollgate backup`

use crate::exit::End;
use crate::options::BackupOptions;
use crate::terminal;
use tollgate_store::{BackedUp, BackupStep, Store};

pub(crate) async fn backup(options: BackupOptions) -> anyhow::Result<End> {
    let config = options.of.config()?;
    let progress = terminal::late_progress("copying the database".to_owned());
    let step = |step| match step {
        BackupStep::Database => {}
        BackupStep::Tool(tool, of) => progress.set_message(format!("copying tool {tool} of {of}")),
    };
    let with_key = !options.without_master_key;
    let done = Store::back_up(&config.data, &options.out, with_key, &step).await;
    progress.finish_and_clear();
    let BackedUp {
        tools,
        bytes,
        has_key,
    } = done?;
    let kept = match has_key {
        true => "The master key is in it: whoever has it can read every credential in it.",
        false => {
            "The master key is NOT in it: without that key, as TOLLGATE_MASTER_KEY or master.key, no server starts on it \
             and no credential in it can be read."
        }
    };
    terminal::result(format_args!(
        "backed up to {}: the database and {tools} tools, {bytes} bytes. {kept}",
        options.out.display()
    ));
    Ok(End::Good)
}
