//! `tollgate rotate-master-key`

use crate::config::NEXT_KEY;
use crate::exit::End;
use crate::options::RotateOptions;
use crate::terminal;
use anyhow::bail;
use tollgate_store::{RotateError, Settings, Store};

pub(crate) async fn rotate(options: RotateOptions) -> anyhow::Result<End> {
    let config = options.of.config()?;
    let next = std::env::var(NEXT_KEY).ok().map(Into::into);
    let settings = Settings {
        folder: config.data,
        master_key: config.master_key,
        fee_basis_points: config.fee_basis_points,
        caps: tollgate_store::Caps::default(),
    };
    let rotated = match Store::rotate_master_key(settings, next).await {
        Err(RotateError::NextNotGiven) => {
            bail!("TOLLGATE_MASTER_KEY gives the key in use, so give the next one in {NEXT_KEY}")
        }
        rotated => rotated?,
    };
    let kept = match &rotated.key {
        Some(path) => format!("The new master key is in {}.", path.display()),
        None => {
            format!("From now on the server needs the key of {NEXT_KEY} as TOLLGATE_MASTER_KEY.")
        }
    };
    let (orgs, secrets) = (rotated.orgs, rotated.secrets);
    terminal::result(format_args!(
        "sealed anew: {orgs} orgs, {secrets} credentials. {kept}"
    ));
    if let Some(removed) = &rotated.removed {
        terminal::note(format_args!(
            "removed {}, which opens nothing any more",
            removed.display()
        ));
    }
    Ok(End::Good)
}
