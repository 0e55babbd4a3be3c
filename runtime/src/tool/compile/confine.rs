//! Confines the compile child, so that a compiler bug that runs foreign code gains nothing.
//!
//! In this order: limits; another user and namespaces of its own, where that is allowed; no files, by Landlock, where the
//! kernel has it; and no calls of the kernel but those that compiling needs.

use super::request::CompileLimits;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Uid, geteuid, getpid};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Lowest. Not the idle class, in which a machine that is always busy would never compile anything.
const NICENESS: i32 = 19;
/// `nobody`, as every Linux has it.
const NOBODY: u32 = 65_534;
/// The first of the user ids for compile children. A child adds its process id, so that it shares its user with no other
/// process. Systems assign lower ids.
const FIRST_USER: u32 = 1_879_048_192;
/// The lowest descriptor after the three standard streams.
const FIRST_INHERITED: libc::c_uint = 3;
const NO_CAPABILITIES: CapabilitySets = CapabilitySets {
    effective: CapabilitySet::empty(),
    permitted: CapabilitySet::empty(),
    inheritable: CapabilitySet::empty(),
};
/// Files open at once: its three streams, and some.
const FILES_MAX: u64 = 16;
/// Thread limit of a child whose user has no other process.
const THREADS_MAX: u64 = 64;
/// Thread limit of a child whose user, `nobody`, may have other processes.
const THREADS_OF_NOBODY_MAX: u64 = 4096;

/// Closes every descriptor except the three standard streams. The server may itself have inherited descriptors without
/// close-on-exec, which its children inherit too.
pub(super) fn close_inherited() {
    // SAFETY: this process has opened no descriptor yet, so nothing that is in use is closed.
    let _ = unsafe { libc::close_range(FIRST_INHERITED, libc::c_uint::MAX, 0) };
}

/// Sets the limits, of this process and so of its threads to come.
pub(super) fn limit(limits: &CompileLimits, cpu: Duration, answer_bytes: u64) -> io::Result<()> {
    most(Resource::Core, 0)?;
    most(Resource::As, limits.address_space_bytes)?;
    most(Resource::Fsize, answer_bytes)?;
    most(Resource::Nofile, FILES_MAX)?;
    // The soft limit sends SIGXCPU, which names the reason. The hard limit sends SIGKILL.
    let seconds = cpu.as_secs().max(1);
    let cpu = Rlimit {
        current: Some(seconds),
        maximum: Some(seconds + 1),
    };
    rustix::process::setrlimit(Resource::Cpu, cpu)?;
    rustix::process::setpriority_process(None, NICENESS)?;
    Ok(())
}

fn most(resource: Resource, value: u64) -> rustix::io::Result<()> {
    let limit = Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    rustix::process::setrlimit(resource, limit)
}

/// Switches to an unprivileged user and to new namespaces, where the kernel allows it. Call it before the process starts
/// threads, and before it sets the parent-death signal, which this call clears.
pub(super) fn become_unprivileged() {
    let apart =
        UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    let is_root = geteuid().is_root();
    let user = match is_root {
        true => UnshareFlags::empty(),
        false => UnshareFlags::NEWUSER,
    };
    // SAFETY: files and the working directory stay shared, and there are no other threads.
    let is_apart = unsafe { rustix::thread::unshare_unsafe(apart | user) }.is_ok();
    let is_alone = match is_root {
        true => {
            let process = rustix::process::getpid()
                .as_raw_nonzero()
                .get()
                .unsigned_abs();
            // A container may map only some user ids. Then `nobody` is left, which other processes may use, too.
            let is_alone = drop_root(FIRST_USER + process).is_ok();
            if !is_alone {
                let _ = drop_root(NOBODY);
                let _ = most(Resource::Nproc, THREADS_OF_NOBODY_MAX);
            }
            is_alone
        }
        false => is_apart,
    };
    // A process that is not root has all capabilities within its new user namespace.
    let _ = rustix::thread::set_capabilities(None, NO_CAPABILITIES);
    if is_alone {
        // Threads are counted by user.
        let _ = most(Resource::Nproc, THREADS_MAX);
    }
}

fn drop_root(user: u32) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Gives up every file, and every call that compiling does not need. There is no way back.
pub(super) fn give_up() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    give_up_files().map_err(io::Error::other)?;
    // The C library starts threads by `clone3`, and by `clone` where the kernel has no other; only of that are the
    // flags seen by a filter.
    let no_clone3 = filter(
        [(libc::SYS_clone3, Vec::new())],
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    );
    let needed = needed().map_err(io::Error::other)?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let only_needed = filter(needed, refused, SeccompAction::Allow);
    for program in [no_clone3, only_needed] {
        apply_filter(&program.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    Ok(())
}

/// No path is reached, no port, no process outside. A kernel without Landlock, or an older one, keeps what it can.
fn give_up_files() -> Result<(), landlock::RulesetError> {
    let newest = ABI::V6;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    Ok(())
}

type Calls = Vec<(i64, Vec<SeccompRule>)>;

/// What the allocator, threads and streams of a compiler ask of the kernel.
fn needed() -> Result<Calls, seccompiler::BackendError> {
    let any = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getppid,
        libc::SYS_getuid,
        libc::SYS_geteuid,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
        // Answered by the other filter.
        libc::SYS_clone3,
    ];
    use SeccompCmpOp::{Eq, MaskedEq};
    let mut calls: Calls = any.into_iter().map(|call| (call, Vec::new())).collect();
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let own = getpid().as_raw_pid().unsigned_abs().into();
    let name = u64::from(libc::PR_SET_NAME.unsigned_abs());
    let code = u64::from(libc::PROT_EXEC.unsigned_abs());
    // `clone` starts threads only, `tgkill` signals this process only, `prctl` sets a thread's name only, `prlimit64` reads
    // this process's limits only, and no memory is executable.
    for (call, conditions) in [
        (libc::SYS_clone, vec![(0, MaskedEq(thread), thread)]),
        (libc::SYS_tgkill, vec![(0, Eq, own)]),
        (libc::SYS_prctl, vec![(0, Eq, name)]),
        (libc::SYS_prlimit64, vec![(0, Eq, 0), (2, Eq, 0)]),
        (libc::SYS_mmap, vec![(2, MaskedEq(code), 0)]),
        (libc::SYS_mprotect, vec![(2, MaskedEq(code), 0)]),
    ] {
        let conditions = conditions.into_iter().map(|(argument, is, value)| {
            SeccompCondition::new(argument, SeccompCmpArgLen::Qword, is, value)
        });
        calls.push((
            call,
            vec![SeccompRule::new(conditions.collect::<Result<_, _>>()?)?],
        ));
    }
    Ok(calls)
}

fn filter(
    calls: impl IntoIterator<Item = (i64, Vec<SeccompRule>)>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let calls: BTreeMap<_, _> = calls.into_iter().collect();
    SeccompFilter::new(calls, others, these, architecture)?.try_into()
}
