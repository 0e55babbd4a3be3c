//! Calls of the kernel that no part of a server makes, and that attacks on kernels begin with.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

/// Each is refused with `EPERM`.
const REFUSED: &[i64] = &[
    // Other processes' memory.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Code and programs inside the kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    // Queues that the kernel works off past this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // File systems and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Keys of the kernel, other namespaces, the machine itself. The compile child makes namespaces: that stays.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_setns,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
];

/// Gives them up, for this thread and all that it starts.
pub(super) fn give_up() -> io::Result<()> {
    let program = program().map_err(io::Error::other)?;
    for program in [no_x32(), program] {
        apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

fn program() -> Result<BpfProgram, BackendError> {
    let calls: BTreeMap<_, _> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(calls, SeccompAction::Allow, refused, architecture)?.try_into()
}

/// The first number of the x32 interface, which has the same system calls under other numbers. The deny list does not match
/// them.
const X32: libc::c_uint = 0x4000_0000;

/// Refuses every x32 number. Other architectures have no system call with such a number.
fn no_x32() -> BpfProgram {
    let statement = |code: u32, value, if_true, if_false| sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k: value,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    vec![
        // The number is the first field of `seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, refused, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The filter applies only to the thread that installs it.
    #[test]
    fn calls_are_refused_by_whatever_number() {
        let thread = std::thread::spawn(|| {
            rustix::thread::set_no_new_privs(true).expect("given up");
            give_up().expect("given up");
            for call in REFUSED
                .iter()
                .copied()
                .chain(REFUSED.iter().map(|it| it | i64::from(X32)))
            {
                // SAFETY: the filter refuses the call before the kernel reads its arguments.
                let answer = unsafe { libc::syscall(call, -1, -1, -1, -1, -1) };
                let error = io::Error::last_os_error();
                assert_eq!(
                    (answer, error.raw_os_error()),
                    (-1, Some(libc::EPERM)),
                    "{call}"
                );
            }
            assert!(
                std::process::Command::new("/bin/true")
                    .status()
                    .is_ok_and(|it| it.success())
            );
        });
        thread.join().expect("refused");
    }
}
