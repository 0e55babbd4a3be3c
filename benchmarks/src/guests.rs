//! The guests that are measured, the same for us and for the references.

/// Gives back its parameter `value`, a `u32`.
pub(crate) fn no_op() -> anyhow::Result<Vec<u8>> {
    no_op_with(0)
}

/// The same as another tool, which differs by a constant.
pub(crate) fn no_op_with(constant: u32) -> anyhow::Result<Vec<u8>> {
    let text = include_str!("guests/no-op.wat");
    assembled(&text.replace("const CONSTANT", &format!("const {constant}")))
}

/// Never ends.
pub(crate) fn spin() -> anyhow::Result<Vec<u8>> {
    assembled(include_str!("guests/spin.wat"))
}

/// Takes as long as its parameter `turns`, a `u64`, says.
pub(crate) fn work() -> anyhow::Result<Vec<u8>> {
    assembled(include_str!("guests/work.wat"))
}

/// Sleeps for an hour: a WASI 0.1 command.
pub(crate) fn parked() -> anyhow::Result<Vec<u8>> {
    assembled(include_str!("guests/parked.wat"))
}

/// For `wasmtime serve`: `GET` is answered at once, `POST` never.
pub(crate) fn serve() -> anyhow::Result<Vec<u8>> {
    assembled(include_str!("guests/serve.wat"))
}

/// A command of so many loops in each other: small, and hard to compile. It differs by a constant.
pub(crate) fn nested_loops(count: usize, constant: usize) -> anyhow::Result<Vec<u8>> {
    let (begin, end) = ("loop ".repeat(count), "end ".repeat(count));
    assembled(&format!(
        r#"(module (memory (export "memory") 1)
        (func (export "_start") {begin}i32.const {constant} drop {end}))"#
    ))
}

fn assembled(text: &str) -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(text)?)
}
