//! Secrets that came in the environment do not stay there: every library of the process could read them, and
//! `/proc/PID/environ` shows them to whoever may look.

use std::ffi::CString;

/// Variables whose values are secret.
const SECRET: &[&str] = &["TOLLGATE_MASTER_KEY", "TOLLGATE_OPERATOR_KEY"];

/// Forgets them, once they were read. To be called before there are threads.
pub(crate) fn forget_secrets() {
    for name in SECRET {
        overwrite(name);
        // SAFETY: there is one thread, and it reads no variable meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

/// Overwrites a value where it lies: taking a variable away leaves its text in the memory that the kernel shows.
fn overwrite(name: &str) {
    let Ok(name) = CString::new(name) else {
        return;
    };
    // SAFETY: the name ends with a NUL; there is one thread, so what is found stays there while it is overwritten, and
    // only bytes before its NUL are.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() {
            return;
        }
        for at in 0..libc::strlen(value) {
            value.add(at).write_volatile(0);
        }
    }
}
