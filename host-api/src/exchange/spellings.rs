//! The forms in which a secret may stand in what comes back from its host: one list, which tests read, too.

use std::fmt::Write;

/// Every form of a secret by its name: raw, hex, percent-encoded, JSON-escaped, base64 at three alignments.
///
/// Of base64 it is what is the same whatever stands before and after the secret: all of it but a few bits at both ends.
pub fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let coded = |form: &dyn Fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let json = |escape: &dyn Fn(u8) -> Option<String>| {
        coded(&|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(byte)),
            other => escape(other).unwrap_or_else(|| char::from(other).to_string()),
        })
    };
    let mut all = vec![
        ("raw", secret.to_owned()),
        ("hex", coded(&|byte| format!("{byte:02x}"))),
        ("HEX", coded(&|byte| format!("{byte:02X}"))),
        ("percent-encoded", coded(&|byte| percent(byte, is_plain))),
        (
            "percent-encoded in lower case",
            coded(&|byte| percent(byte, is_plain)).to_lowercase_escapes(),
        ),
        (
            "percent-encoded whole",
            coded(&|byte| percent(byte, |_| false)),
        ),
        (
            "percent-encoded whole in lower case",
            coded(&|byte| percent(byte, |_| false)).to_lowercase_escapes(),
        ),
        (
            "form-encoded",
            coded(&|byte| percent(byte, is_plain_in_forms)).replace("%20", "+"),
        ),
        ("JSON-escaped", json(&|_| None)),
        (
            "JSON-escaped with slashes",
            json(&|byte| (byte == b'/').then(|| "\\/".to_owned())),
        ),
        (
            "JSON in hex escapes",
            coded(&|byte| format!("\\u{byte:04x}")),
        ),
        (
            "JSON in HEX escapes",
            coded(&|byte| format!("\\u{byte:04X}")),
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

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_plain_in_forms(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._*".contains(&byte)
}

fn percent(byte: u8, is_plain: fn(u8) -> bool) -> String {
    if is_plain(byte) {
        return char::from(byte).to_string();
    }
    let mut text = String::new();
    let _ = write!(text, "%{byte:02X}");
    text
}

trait LowercaseEscapes {
    fn to_lowercase_escapes(self) -> String;
}

impl LowercaseEscapes for String {
    /// The two digits after each `%` in lower case.
    fn to_lowercase_escapes(self) -> String {
        let mut parts = self.split('%');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (digits, rest) = part.split_at(2.min(part.len()));
            let _ = write!(text, "%{}{rest}", digits.to_ascii_lowercase());
        }
        text
    }
}

/// The digits that stand for bits of the secret only, where it begins so many bytes after the beginning of a group.
fn base64(secret: &[u8], alignment: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded = [&[0; 2][..alignment], secret, &[0]].concat();
    let (first, end) = (8 * alignment, 8 * (alignment + secret.len()));
    let digit = |index: usize| {
        let (byte, bit) = (6 * index / 8, 6 * index % 8);
        let bits = u16::from_be_bytes([padded[byte], padded[byte + 1]]);
        char::from(DIGITS[usize::from(bits >> (10 - bit) & 63)])
    };
    (first.div_ceil(6)..end / 6).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_what_others_write() {
        let all = spellings("a/b \"c+d");
        let form = |name: &str| {
            let found = all.iter().find(|(it, _)| *it == name);
            String::from_utf8(found.expect(name).1.clone()).expect("text")
        };
        assert_eq!(form("percent-encoded"), "a%2Fb%20%22c%2Bd");
        assert_eq!(form("percent-encoded in lower case"), "a%2fb%20%22c%2bd");
        assert_eq!(form("form-encoded"), "a%2Fb+%22c%2Bd");
        assert_eq!(form("JSON-escaped"), "a/b \\\"c+d");
        assert_eq!(form("JSON-escaped with slashes"), "a\\/b \\\"c+d");
        assert_eq!(form("hex"), "612f622022632b64");
    }

    #[test]
    fn base64_is_found_whatever_stands_around_it() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let secret = "s3cr~t?>~~key";
        for before in 0..7 {
            for after in 0..4 {
                let text = format!("{}{secret}{}", "x".repeat(before), "y".repeat(after));
                for coded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                    assert!(
                        spelling_in(secret, coded.as_bytes()).is_some(),
                        "{before} before, {after} after: {coded}"
                    );
                }
            }
        }
        assert_eq!(spelling_in(secret, b"nothing of the sort"), None);
        let form = |name| spellings(secret).into_iter().find(|(it, _)| *it == name);
        let digits =
            ["base64", "base64 + 1", "base64 + 2"].map(|name| form(name).expect(name).1.len());
        assert_eq!(digits, [17, 16, 17], "of 17 1/3");
    }
}
