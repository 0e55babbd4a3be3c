//! What is wrong with a manifest, in the words of who writes one: the reader's own are those of Rust's types.

/// Keys less alike are not taken for each other.
const ALIKE_MIN: f64 = 0.7;
/// Longer keys are not compared with the known ones.
const KEY_BYTES_MAX: usize = 64;

/// The reader's message, where it is one that is known; as it is, where not.
pub(super) fn plain(message: &str) -> String {
    if message.ends_with("value was too large") {
        return format!("the number is too large; {} is the largest", i64::MAX);
    }
    let known = unknown_key(message)
        .or_else(|| missing_key(message))
        .or_else(|| other_type(message));
    known.unwrap_or_else(|| message.to_owned())
}

/// ``unknown field `prise`, expected one of `name`, `price` ``
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    // Split at the last match: the seller's key comes first and may contain the same words.
    let (key, known) = rest
        .rsplit_once("`, expected ")
        .or_else(|| Some((rest.strip_suffix("`, there are no fields")?, "")))?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    // The time to compare grows with the square of the lengths.
    let compared = if key.len() <= KEY_BYTES_MAX {
        &known[..]
    } else {
        &[]
    };
    let alike = compared
        .iter()
        .map(|it| (strsim::jaro_winkler(key, it), it))
        .filter(|(alike, _)| *alike > ALIKE_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    Some(match alike {
        Some((_, alike)) => format!("there is no key `{key}` here; did you mean `{alike}`?"),
        None if known.is_empty() => format!("there is no key `{key}` here"),
        None => format!(
            "there is no key `{key}` here; there are {}",
            known.join(", ")
        ),
    })
}

/// ``missing field `name` ``
fn missing_key(message: &str) -> Option<String> {
    let key = message.strip_prefix("missing field `")?.strip_suffix('`')?;
    Some(format!("`{key}` is missing"))
}

/// `invalid type: string "5", expected u64`, or `invalid value: …`
fn other_type(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let expected = match expected {
        "u64" | "u32" => "a whole number from 0 up",
        "u16" => "a whole number from 0 to 65535",
        "a string" => "a text in quotes",
        "a boolean" => "`true` or `false`, without quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        it if it.starts_with("struct ") => "a table",
        other => other,
    };
    let found = match found.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer", number)) => format!("the number {}", number.trim_matches('`')),
        Some(("floating", number)) => {
            let number = number.trim_start_matches("point ");
            format!("the number {}", number.trim_matches('`'))
        }
        Some(("boolean", value)) => value.to_owned(),
        _ if found == "map" => "a table".to_owned(),
        _ if found == "sequence" => "a list".to_owned(),
        _ => found.to_owned(),
    };
    Some(format!("expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use crate::tool::manifest::Manifest;

    #[test]
    fn are_those_of_manifests() {
        let cases = [
            (
                "prise = 5",
                "there is no key `prise` here; did you mean `price`?",
            ),
            (
                "[limits]\ntime_out = \"1s\"",
                "there is no key `time_out` here; did you mean `timeout`?",
            ),
            (
                "[egress]\nxyz = 1",
                "there is no key `xyz` here; there are allow",
            ),
            (
                "price = \"5\"",
                "`price`: expected a whole number from 0 up, found the text \"5\"",
            ),
            (
                "price = -1",
                "`price`: expected a whole number from 0 up, found the number -1",
            ),
            (
                "price = 1.5",
                "`price`: expected a whole number from 0 up, found the number 1.5",
            ),
            (
                "description = 5",
                "`description`: expected a text in quotes, found the number 5",
            ),
            (
                "functions = \"a\"",
                "`functions`: expected a list in [ ], found the text \"a\"",
            ),
            (
                "limits = 5",
                "`limits`: expected a table, found the number 5",
            ),
            (
                "credentials = []",
                "`credentials`: expected a table, found a list",
            ),
            (
                "[credentials.K]\nrequired = \"no\"",
                "`required`: expected `true` or `false`, without quotes, found the text \"no\"",
            ),
            (
                "[[examples]]\n[[examples.http]]\nrequest = \"a\"\nstatus = 70000",
                "`status`: expected a whole number from 0 to 65535, found the number 70000",
            ),
            (
                "price = 11111111111111111111",
                "`price`: the number is too large; 9223372036854775807 is the largest",
            ),
            (
                "[[examples]]\ninput = { a = 11111111111111111111 }",
                "`a`: the number is too large; 9223372036854775807 is the largest",
            ),
            (
                "[[examples]]\nhttp = [{ request = \"a\", status = 70000 }]",
                "`status`: expected a whole number from 0 to 65535, found the number 70000",
            ),
            (
                "[egress]\nallow = [\"https://a?b=c\", 5]",
                "expected a text in quotes, found the number 5",
            ),
            (
                "version = \"1.0\"",
                "`version`: `1.0` is not a version; write three numbers, such as `1.0.0`",
            ),
        ];
        for (text, words) in cases {
            let error = Manifest::parse(&format!("name = \"a\"\n{text}")).expect_err(text);
            assert_eq!(error.message, format!("tool.toml: {words}"), "{text}");
        }
        let part = "A".repeat(60_000);
        let hostile = format!("name = \"a\"\n\"{part}`{part}`x\" = 1");
        let hostile = Manifest::parse(&hostile).expect_err("no such key");
        assert!(
            hostile
                .message
                .starts_with("tool.toml: there is no key `AAAA")
        );
        assert!(hostile.message.len() < 2048, "{}", hostile.message.len());
        let nameless = Manifest::parse("price = 5").expect_err("no name");
        assert_eq!(nameless.message, "tool.toml: `name` is missing");
    }
}
