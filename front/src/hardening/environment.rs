//! Removes secrets from the environment. Otherwise every library of the process can read them, and so can other programs,
//! through `/proc/PID/environ`.

use std::ffi::CString;

/// Variables whose values are secret.
const SECRET: &[&str] = &["TOLLGATE_MASTER_KEY", "TOLLGATE_OPERATOR_KEY"];

/// Removes the secret variables after they were read. Call it before the process starts threads.
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
