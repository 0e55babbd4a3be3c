//! The server's files and ports, by Landlock: its data folder to write, what the system is set up with to read, its own
//! program to execute, and the ports that it listens on.

use crate::config::Config;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use std::fmt;
use std::path::{Path, PathBuf};

/// The newest interface that this program knows. An older kernel enforces what it has.
const NEWEST: ABI = ABI::V6;
/// How the machine is set up: names, certificates, cores, memory and this process itself.
const READ: &[&str] = &[
    "/etc",
    "/proc",
    "/sys",
    "/run",
    "/dev/urandom",
    "/usr/share",
];
/// Shared libraries, which the compile child needs when it starts this program again.
const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// The degree to which the kernel enforces the Landlock rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enforced {
    Fully,
    Partially,
    Not,
}

/// Confines this process to its files and ports. A demo may also remove its data folder, which it does at the end.
pub(super) fn keep_to(config: &Config, is_demo: bool) -> Result<Enforced, RulesetError> {
    let (all, read) = (AccessFs::from_all(NEWEST), AccessFs::from_read(NEWEST));
    let reading = read & !BitFlags::from(AccessFs::Execute);
    let program = std::env::current_exe().into_iter();
    let data = [config.data.as_path(), Path::new("/dev/null")];
    let around = config.data.parent().filter(|_| is_demo);
    let certificates = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let certificates = certificates.iter().chain(&config.egress.roots);
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(data, all))?
        .add_rules(path_beneath_rules(READ, reading))?
        .add_rules(path_beneath_rules(certificates, reading))?
        .add_rules(path_beneath_rules(LIBRARIES, read))?
        .add_rules(path_beneath_rules(program, read))?
        .add_rules(path_beneath_rules(around, AccessFs::RemoveDir))?;
    let status = ports(created, config)?.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partially,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

fn ports(mut created: RulesetCreated, config: &Config) -> Result<RulesetCreated, RulesetError> {
    for address in [Some(config.listen), config.admin_listen]
        .into_iter()
        .flatten()
    {
        created = created.add_rule(NetPort::new(address.port(), AccessNet::BindTcp))?;
    }
    Ok(created)
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Enforced::Fully => "its own",
            Enforced::Partially => "its own, as far as this kernel's Landlock goes",
            Enforced::Not => "not confined (this kernel has no Landlock)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::net::TcpListener;
    use std::process::Command;

    /// An unused port.
    fn port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    }

    /// The rules apply only to the thread that installs them.
    #[test]
    fn other_folders_programs_and_ports_are_out_of_reach() {
        let (data, other) = (
            tempfile::tempdir().expect("a folder"),
            tempfile::tempdir().expect("a folder"),
        );
        let secret = other.path().join("secret");
        fs::write(&secret, "another program's").expect("written");
        let (own, others) = (port(), port());
        let listens = |port| TcpListener::bind(("127.0.0.1", port)).map(drop);
        let config = Config {
            data: data.path().to_owned(),
            listen: ([127, 0, 0, 1], own).into(),
            ..Config::default()
        };
        let starts = || Command::new("/bin/true").status();
        starts().expect("before, it can start programs");
        let thread = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).expect("given up");
            if keep_to(&config, false).expect("kept to") == Enforced::Not {
                eprintln!("SKIP: this kernel has no Landlock");
                return;
            }
            fs::write(config.data.join("own"), "its own").expect("written");
            fs::read_to_string("/etc/hosts").expect("how the machine is set up");
            listens(own).expect("its own port");
            fs::read(&secret).expect_err("another program's file");
            fs::write(&secret, "changed").expect_err("another program's file");
            fs::remove_file(&secret).expect_err("another program's file");
            fs::write("/etc/tollgate-was-here", "").expect_err("how the machine is set up");
            starts().expect_err("another program");
            listens(others).expect_err("another port");
        });
        thread.join().expect("kept to");
        let left = fs::read_to_string(other.path().join("secret")).expect("it is there");
        assert_eq!(left, "another program's");
    }
}
