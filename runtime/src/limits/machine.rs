//! How much memory there is: the machine's, or that of the control group that the process is in, whichever is smaller.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// Bytes of memory that this process and its neighbours in its control group may use together.
pub(crate) fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    let machine = info.totalram as u64 * u64::from(info.mem_unit);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    group_memory_bytes(Path::new(MOUNT), &groups).map_or(machine, |group| group.min(machine))
}

/// The smallest limit of the groups that the process is in, of either version, and of those around them. `None` if there
/// is none.
fn group_memory_bytes(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        smallest_limit(&root, path, file)
    });
    limits.min()
}

/// Of a group and those around it. In a container the path may be the host's, and only the root is there.
fn smallest_limit(root: &Path, path: &str, file: &str) -> Option<u64> {
    let inner = Path::new(path.trim_start_matches('/'));
    let groups = inner.ancestors().map(|group| root.join(group));
    groups.filter_map(|group| limit_of(group.join(file))).min()
}

/// `max` is no limit; so are the largest numbers of version 1, by which it says the same.
fn limit_of(file: PathBuf) -> Option<u64> {
    const NONE: u64 = 1 << 60;
    let limit = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < NONE).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = mount.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        mount
    }

    #[test]
    fn the_smallest_limit_around_the_process_counts() {
        let second = written(&[
            ("memory.max", "max\n"),
            ("pod/memory.max", "1000\n"),
            ("pod/one/memory.max", "5000\n"),
        ]);
        let first = written(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/docker/a/memory.limit_in_bytes", "2000\n"),
        ]);
        // The path is the host's: what is mounted is the container's own group.
        let inside = written(&[("memory.max", "3000\n")]);
        for (mount, groups, expected) in [
            (&second, "0::/pod/one\n", Some(1000)),
            (&second, "0::/\n", None),
            (&second, "0::/elsewhere\n", None),
            (
                &first,
                "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n",
                Some(2000),
            ),
            (&first, "4:memory:/\n", None),
            (&inside, "0::/kubepods/pod1/c\n", Some(3000)),
            (&inside, "", None),
            (&inside, "nonsense\n0:\n", None),
        ] {
            assert_eq!(
                group_memory_bytes(mount.path(), groups),
                expected,
                "{groups}"
            );
        }
    }
}
