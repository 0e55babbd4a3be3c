//! A program that tries what is left to a compile child, and one that starts it: each thing works without the confinement
//! and not within it.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio, id};

const FREE: &str = "free";
const CONFINED: &str = "confined";
/// The environment variable with the number of the inherited descriptor.
const INHERITED: &str = "INHERITED";

/// What is tried, each a line of what the program says.
const TRIED: &[&str] = &[
    "read a file",
    "read the parent's environment",
    "list a folder",
    "write a file",
    "start a program",
    "listen",
    "end the parent",
    "trace",
    "another namespace",
    "be root",
    "a file in memory",
    "open many files",
    "read an inherited file",
    "read the parent's limits",
    "run memory as code",
    "have capabilities",
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(FREE) => try_all(&arguments[2]),
        Some(CONFINED) => {
            tollgate_runtime::confine_as_compile_child().unwrap();
            try_all(&arguments[2]);
        }
        // Test runners list all tests, then the ignored ones.
        Some("--list") if arguments.iter().any(|it| it == "--ignored") => {}
        Some("--list") => println!("a_compile_child_can_do_nothing: test"),
        _ => judge(),
    }
    ExitCode::SUCCESS
}

fn judge() {
    let folder = tempfile::tempdir().unwrap();
    let free = said(FREE, folder.path());
    let confined = said(CONFINED, folder.path());
    let is_root = rustix::process::geteuid().is_root();
    for what in TRIED {
        let line = |word: &str| format!("{what}: {word}");
        // Only root may do these at all.
        let needs_root = ["be root", "another namespace", "have capabilities"].contains(what);
        assert!(
            free.contains(&line("done")) || (needs_root && !is_root),
            "without confinement, {what}:\n{free}"
        );
        assert!(
            confined.contains(&line("refused")),
            "confined, {what}:\n{confined}"
        );
    }
    for good in ["memory: done", "a thread: done"] {
        assert!(
            confined.contains(good),
            "a compiler needs {good}:\n{confined}"
        );
    }
    println!("test a_compile_child_can_do_nothing ... ok");
}

fn said(how: &str, folder: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    // Without close-on-exec, like a descriptor that the server itself inherited.
    let inherited = File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let child = Command::new(program)
        .arg(how)
        .arg(folder.join(how))
        .env("A_SECRET", "0123456789")
        .env(INHERITED, inherited.as_raw_fd().to_string())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(child.status.success(), "{how}: {:?}", child.status);
    String::from_utf8(child.stdout).unwrap()
}

fn try_all(path: &str) {
    let parent = rustix::process::getppid().unwrap();
    let environment = format!("/proc/{}/environ", parent.as_raw_pid());
    told("read a file", fs::read("/etc/passwd").is_ok());
    told(
        "read the parent's environment",
        fs::read(environment).is_ok_and(|it| !it.is_empty()),
    );
    told("list a folder", fs::read_dir("/").is_ok());
    told("write a file", File::create(path).is_ok());
    told(
        "start a program",
        Command::new("/bin/true").status().is_ok(),
    );
    told("listen", TcpListener::bind("127.0.0.1:0").is_ok());
    // Nothing is sent: it is asked whether something could be.
    told(
        "end the parent",
        rustix::process::test_kill_process(parent).is_ok(),
    );
    told("trace", trace());
    // SAFETY: nothing of this process depends on its host name.
    let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUTS) };
    told("another namespace", unshared.is_ok());
    told("be root", rustix::process::geteuid().is_root());
    let memory = rustix::fs::memfd_create("more", rustix::fs::MemfdFlags::empty());
    told("a file in memory", memory.is_ok());
    let many: Vec<_> = (0..64)
        .map_while(|_| rustix::io::dup(std::io::stdin()).ok())
        .collect();
    told("open many files", many.len() == 64);
    let inherited = std::env::var(INHERITED).unwrap().parse().unwrap();
    // SAFETY: the kernel refuses a closed descriptor.
    let inherited = unsafe { BorrowedFd::borrow_raw(inherited) };
    let mut byte = [0];
    told(
        "read an inherited file",
        rustix::io::read(inherited, &mut byte).is_ok(),
    );
    told("read the parent's limits", reads_limits(parent));
    told("run memory as code", maps_code());
    let capabilities = rustix::thread::capabilities(None);
    told(
        "have capabilities",
        capabilities.is_ok_and(|it| !it.effective.is_empty()),
    );
    told("memory", vec![1_u8; 1 << 20].iter().all(|it| *it == 1));
    let thread = std::thread::Builder::new().spawn(id);
    told("a thread", thread.is_ok_and(|it| it.join().is_ok()));
}

fn told(what: &str, is_done: bool) {
    println!("{what}: {}", if is_done { "done" } else { "refused" });
}

fn reads_limits(of: rustix::process::Pid) -> bool {
    let (mut limit, nothing) = (std::mem::MaybeUninit::uninit(), std::ptr::null());
    let resource = libc::RLIMIT_NOFILE;
    // SAFETY: `limit` has room for the answer, and no new limit is passed.
    unsafe { libc::prlimit(of.as_raw_pid(), resource, nothing, limit.as_mut_ptr()) == 0 }
}

fn maps_code() -> bool {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_EXEC,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: the mapping is new, so no other code uses it.
    unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, kind, -1, 0) != libc::MAP_FAILED }
}

/// Asks to be traced by the parent, which every process may.
fn trace() -> bool {
    // SAFETY: the call takes no pointers.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0 }
}
