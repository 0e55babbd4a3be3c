//! The forms in which a secret may turn up where it must not.

use std::fmt::Write;

/// Each form by name: raw, hex in both cases, percent-encoded, JSON-escaped, base64 at three alignments.
pub fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let coded = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let json = serde_json::Value::String(secret.to_owned()).to_string();
    let mut all = vec![
        ("raw", secret.to_owned()),
        ("hex", coded(|byte| format!("{byte:02x}"))),
        ("HEX", coded(|byte| format!("{byte:02X}"))),
        ("percent-encoded", coded(|byte| percent(byte, false))),
        ("percent-encoded whole", coded(|byte| percent(byte, true))),
        ("JSON-escaped", json.trim_matches('"').to_owned()),
        (
            "JSON in hex escapes",
            coded(|byte| format!("\\u{byte:04x}")),
        ),
    ];
    for (name, alignment) in [("base64", 0), ("base64 + 1", 1), ("base64 + 2", 2)] {
        let text = base64(secret.as_bytes(), alignment);
        all.push((name, text.replace('+', "-").replace('/', "_")));
        all.push((name, text));
    }
    all.into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .collect()
}

/// The form of a secret that is in some bytes, if any is.
pub fn spelling_in(secret: &str, bytes: &[u8]) -> Option<&'static str> {
    let starts = |part: &[u8], at: usize| bytes[at] == part[0] && bytes[at..].starts_with(part);
    let contains = |part: &[u8]| (0..bytes.len()).any(|at| starts(part, at));
    let found = spellings(secret)
        .into_iter()
        .find(|(_, form)| contains(form));
    found.map(|(name, _)| name)
}

fn percent(byte: u8, is_whole: bool) -> String {
    if !is_whole && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return char::from(byte).to_string();
    }
    let mut text = String::new();
    let _ = write!(text, "%{byte:02X}");
    text
}

/// What is the same whatever stands before and after the secret.
fn base64(secret: &[u8], alignment: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = std::iter::repeat_n(0, alignment)
        .chain(secret.iter().copied())
        .collect();
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[bits >> shift & 63]));
        }
    }
    // The first group holds what stands before, too.
    text.split_off(if alignment == 0 { 0 } else { 4 })
}
