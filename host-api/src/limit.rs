//! How a door ends a guest.

/// The guest went past a limit that it cannot be told of inside the guest. As an error it ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tool went past its limit on {limit}")]
pub struct LimitExceeded {
    /// The limit's name as it stands in outcomes: `output`, `handles`, `directory_streams`.
    pub limit: &'static str,
}

/// The host failed while it worked for a guest. As an error it ends the run, and is not the guest's failure.
#[derive(Debug, thiserror::Error)]
#[error("the host failed: {0}")]
pub struct HostFault(pub std::io::Error);

/// The guest called `exit`. As an error it unwinds the guest; it says nothing of good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tool exited with code {code}")]
pub struct Exit {
    /// The code as the guest gave it, all 32 bits of it.
    pub code: u32,
}

/// The exit code an error carries, if the guest ended by calling `exit`: ours of WASI 0.1, which is exact, or
/// wasmtime-wasi's of 0.2.
pub fn exit_code(error: &wasmtime::Error) -> Option<u32> {
    let ours = error.downcast_ref::<Exit>().map(|exit| exit.code);
    ours.or_else(|| {
        error
            .downcast_ref::<wasmtime_wasi::I32Exit>()
            .map(|exit| exit.0.cast_unsigned())
    })
}
