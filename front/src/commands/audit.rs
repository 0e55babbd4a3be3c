//! `tollgate audit`

use crate::exit::End;
use crate::options::AuditOptions;
use crate::terminal;
use anyhow::ensure;
use tollgate_store::Store;

/// Differences shown of more.
const SHOWN: usize = 20;

pub(crate) async fn audit(options: AuditOptions) -> anyhow::Result<End> {
    let config = options.of.config()?;
    let folder = config.data;
    ensure!(
        folder.join("tollgate.db").exists(),
        "{} holds no data of a server",
        folder.display()
    );
    let audit = Store::audit(&folder).await?;
    for difference in audit.differences.iter().take(SHOWN) {
        terminal::result(difference);
    }
    let (wallets, entries) = (audit.wallets, audit.entries);
    let looked_at = format!("{wallets} wallets and {entries} entries");
    match audit.differences.len() {
        0 => {
            terminal::result(format_args!("{looked_at}: everything adds up"));
            Ok(End::Good)
        }
        differences => {
            terminal::result(format_args!("{looked_at}: {differences} differences"));
            Ok(End::Differs)
        }
    }
}
