//! Guests that tests write themselves, each doing one thing as often as it is told.

/// A WASI 0.1 command with everything in reach that `body`, the text of its `_start`, may call.
///
/// `$slurp` reads standard input to `$input` and returns its length; `$number` reads a decimal number from it;
/// `$write` writes bytes to a descriptor; `$open` makes a file in `/scratch` named by one letter; `$expect` exits
/// with an errno that is not 0; `$sleep` waits for milliseconds.
pub(crate) fn command(body: &str) -> String {
    command_with("", body)
}

/// The same, with functions of its own.
pub(crate) fn command_with(functions: &str, body: &str) -> String {
    format!("{PRELUDE} {functions} (func (export \"_start\") {body}))")
}

const PRELUDE: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 40)
  (global $input i32 (i32.const 65536))

  (func $expect (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
  (func $slurp (result i32) (local $length i32)
    (loop $more
      (i32.store (i32.const 0) (i32.add (global.get $input) (local.get $length)))
      (i32.store (i32.const 4) (i32.const 65536))
      (call $expect (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $length (i32.add (local.get $length) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.get $length))
  (func $number (result i32) (local $at i32) (local $end i32) (local $number i32)
    (local.set $at (global.get $input))
    (local.set $end (i32.add (local.get $at) (call $slurp)))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $number (i32.add
            (i32.mul (local.get $number) (i32.const 10))
            (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))))
    (local.get $number))
  (func $write (param $to i32) (param $at i32) (param $length i32)
    (loop $more
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (call $expect (call $fd_write (local.get $to) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
      (br_if $more (local.get $length))))
  (func $open (param $letter i32) (result i32)
    (i32.store (i32.const 0) (local.get $letter))
    (call $expect (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1)
      (i32.const 1) (i64.const 66) (i64.const 66) (i32.const 0) (i32.const 8)))
    (i32.load (i32.const 8)))
  (func $sleep (param $milliseconds i32)
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.mul (i64.extend_i32_u (local.get $milliseconds)) (i64.const 1000000)))
    (call $expect (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
"#;

/// A manifest by which the field `text` of the input becomes standard input as it is.
pub(crate) const TEXT_IS_STDIN: &str = r#"
name = "guest"
[command]
stdin = "{text}"
[command.input]
type = "object"
required = ["text"]
properties = { text = { type = "string" } }
"#;

/// Writes standard input to standard output.
pub(crate) fn copies_to_stdout() -> String {
    command("(call $write (i32.const 1) (global.get $input) (call $slurp))")
}

/// Writes standard input to standard error.
pub(crate) fn copies_to_stderr() -> String {
    command("(call $write (i32.const 2) (global.get $input) (call $slurp))")
}

/// Sleeps for as many milliseconds as its input says.
pub(crate) fn sleeps() -> String {
    command("(call $sleep (call $number))")
}

/// A typed tool of one memory, with functions that grow it: `grow(pages)` answers where it was, or −1; `must-grow`
/// traps where it may not.
pub(crate) fn grows(pages: u32) -> String {
    format!(
        r#"(component
          (core module $guest
            (memory $memory {pages})
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "must-grow") (param i32)
              (if (i32.eq (memory.grow (local.get 0)) (i32.const -1)) (then (unreachable)))))
          (core instance $guest (instantiate $guest))
          (func (export "grow") (param "by" u32) (result s32) (canon lift (core func $guest "grow")))
          (func (export "must-grow") (param "by" u32) (canon lift (core func $guest "must-grow"))))"#
    )
}
