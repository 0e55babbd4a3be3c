//! `tollgate run`

mod once;
mod profile;
mod spans;
mod watch;

use crate::exit::End;
use crate::options::RunOptions;
use once::once;

pub(crate) async fn run(options: RunOptions) -> anyhow::Result<End> {
    match options.watch {
        true => watch::watch(&options).await,
        false => once(&options).await,
    }
}
