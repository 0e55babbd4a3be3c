//! A request that is well-formed but invalid.

use super::{Kind, Problem};
use tollgate_runtime::Violation;

/// 422 with one violation, at a JSON pointer into the body.
pub(crate) fn unprocessable(
    code: &'static str,
    message: impl Into<String>,
    pointer: Option<&str>,
) -> Problem {
    let violation = Violation::new(code, message);
    let violation = match pointer {
        Some(pointer) => violation.at_pointer(pointer),
        None => violation,
    };
    Problem::of(Kind::Unprocessable).with_violation(violation)
}
