//! How a door ends a guest that went past a limit.

/// The guest went past a limit that it cannot be told of inside the guest. As an error it ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tool went past its limit on {limit}")]
pub struct LimitExceeded {
    /// The limit's name as it stands in outcomes: `output`, `handles`, `directory_streams`.
    pub limit: &'static str,
}

/// The guest called `exit`. As an error it unwinds the guest; it says nothing of good or bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tool exited with code {code}")]
pub struct Exit {
    /// The code as the guest gave it, all 32 bits of it.
    pub code: u32,
}
