//! The way out of the process: what it trusts, what it may reach, and whose connections are whose.

use super::dial::Dial;
use super::owner::{Owner, REMEMBERED_FOR};
use crate::host::Host;
use moka::sync::Cache;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_certs_from_paths;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::Semaphore;

/// Owners whose connections are kept.
const OWNERS_MAX: u64 = 1024;
/// Connections of all owners at once. A process has 1,024 files at least; a server raises that.
const CONNECTIONS_MAX: usize = 768;
/// The most bytes of a message's headers.
pub(super) const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Where systems keep the authorities that they trust: Debian, Fedora, SUSE, Alpine, macOS and the BSDs.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// How the way out is set up. The defaults serve.
#[derive(Debug, Clone, Default)]
pub struct NetworkConfig {
    /// Places that requests may go to whatever their address: the operator's exception, on premises and in tests.
    pub open: Vec<Host>,
    /// Certificates (PEM) of authorities to be trusted beside the platform's.
    pub roots_pem: Vec<Vec<u8>>,
    /// Servers to ask for names; without any those that the machine is set up with.
    pub nameservers: Vec<SocketAddr>,
}

/// The way out cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// What was given as certificates has none.
    #[error("a file of root certificates holds no certificate in PEM form")]
    Roots,
}

/// One process's way out.
pub struct Network {
    /// What an owner's connections find their way back by.
    itself: Weak<Network>,
    dial: Arc<Dial>,
    roots: Vec<CertificateDer<'static>>,
    /// Made when the first request is: reading the platform's roots takes a while.
    tls: OnceLock<ClientConfig>,
    places: Arc<Semaphore>,
    owners: Cache<Arc<str>, Arc<Owner>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

impl Network {
    /// Sets it up. Nothing is connected or looked up yet.
    pub fn new(config: &NetworkConfig) -> Result<Arc<Self>, NetworkError> {
        let mut roots = Vec::new();
        for pem in &config.roots_pem {
            let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            let read = read.map_err(|_| NetworkError::Roots)?;
            if read.is_empty() {
                return Err(NetworkError::Roots);
            }
            roots.extend(read);
        }
        Ok(Arc::new_cyclic(|itself| Self {
            itself: Weak::clone(itself),
            dial: Arc::new(Dial::new(&config.open, &config.nameservers)),
            roots,
            tls: OnceLock::new(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            owners: Cache::builder()
                .max_capacity(OWNERS_MAX)
                .time_to_idle(REMEMBERED_FOR)
                .build(),
        }))
    }

    /// An owner's connections.
    pub(super) fn owner(&self, name: &Arc<str>) -> Arc<Owner> {
        self.owners.get_with_by_ref(name, || {
            let tls = self.tls.get_or_init(|| tls(&self.roots)).clone();
            Arc::new(Owner::new(
                name,
                &self.itself,
                &self.dial,
                tls,
                &self.places,
            ))
        })
    }

    /// Everybody's connections that wait for a next request are closed.
    pub(super) fn let_idle_go(&self) {
        self.owners
            .iter()
            .for_each(|(_, owner)| owner.let_idle_go());
    }
}

/// Certificates of the platform that cannot be read are left out: there may be none, and no `https` then.
fn tls(roots: &[CertificateDer<'static>]) -> ClientConfig {
    let mut store = RootCertStore::empty();
    let bundle = BUNDLES.iter().map(Path::new).find(|it| it.is_file());
    // Not `load_native_certs`: that reads the environment.
    let platform = load_certs_from_paths(bundle, None);
    store.add_parsable_certificates(platform.certs);
    store.add_parsable_certificates(roots.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has every version")
        .with_root_certificates(store)
        .with_no_client_auth()
}
