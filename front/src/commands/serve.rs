//! `tollgate serve`

use crate::config::{Config, Flags};
use crate::exit::End;
use crate::options::ServeOptions;
use crate::{server, terminal};

pub(crate) async fn serve(options: ServeOptions) -> anyhow::Result<End> {
    let flags = Flags {
        listen: options.listen,
        admin_listen: options.admin_listen,
        data: options.data,
    };
    let config = Config::read(options.config.as_deref(), flags)?;
    if options.print_config {
        terminal::result(config.printed().trim_end());
        return Ok(End::Good);
    }
    server::serve(config, options.demo).await
}
