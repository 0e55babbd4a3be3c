//! A server whose operator lets requests go to an upstream, and trusts it.

use super::upstream::Upstream;
use std::path::PathBuf;
use tempfile::TempDir;
use tollgate_tests::server::Server;

/// What the operator sets. Kept as long as its server starts.
pub(super) struct Platform {
    /// The upstream's name and port.
    pub(super) host: String,
    /// A file with the upstream's certificate.
    pub(super) root: PathBuf,
    _folder: TempDir,
}

impl Platform {
    pub(super) fn of(upstream: &Upstream) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root.pem");
        std::fs::write(&root, &upstream.root_pem).expect("written");
        Self {
            host: upstream.host(),
            root,
            _folder: folder,
        }
    }

    /// Starts the server, with more settings.
    pub(super) fn serve(&self, more: &[(&str, &str)]) -> Server {
        let root = self.root.to_str().expect("a path");
        let own = [
            ("TOLLGATE_EGRESS__OPEN", self.host.as_str()),
            ("TOLLGATE_EGRESS__ROOTS", root),
        ];
        Server::start_with(&[&own[..], more].concat())
    }
}
