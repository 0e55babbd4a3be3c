//! Measures JSON without writing its text.

use serde_json::Value;
use std::io::Write;

pub(crate) fn is_within_depth(json: &Value, depth_left: usize) -> bool {
    let Some(inner) = depth_left.checked_sub(1) else {
        return !(json.is_array() || json.is_object());
    };
    match json {
        Value::Array(items) => items.iter().all(|item| is_within_depth(item, inner)),
        Value::Object(object) => object.values().all(|item| is_within_depth(item, inner)),
        _ => true,
    }
}

/// The length of the JSON text, without making it.
pub(crate) fn json_bytes(json: &Value) -> u64 {
    struct Counter(u64);
    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and a `Value`'s keys are strings.
    let _ = serde_json::to_writer(&mut counter, json);
    counter.0
}
