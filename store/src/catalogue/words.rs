//! The words of an artifact, in which a search looks.

use serde_json::Value;

/// Bytes of an artifact's words.
const BYTES_MAX: usize = 4096;

/// In small letters: a tool's description, and the names and descriptions of its functions, as far as there is room.
pub(crate) fn words(about: &Value) -> String {
    let functions = about["functions"].as_array().into_iter().flatten();
    let texts = functions.flat_map(|it| [&it["name"], &it["description"]]);
    let texts = [&about["description"]].into_iter().chain(texts);
    let mut words = String::new();
    for text in texts.filter_map(Value::as_str) {
        words.push_str(text);
        words.push(' ');
        if words.len() >= BYTES_MAX {
            words.truncate(words.floor_char_boundary(BYTES_MAX));
            break;
        }
    }
    words.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn are_of_the_tool_and_its_functions_and_bounded() {
        let about = json!({"description": "Turns ÄPFEL", "functions": [
            {"name": "to-html", "description": null}, {"name": "to-text", "description": "Plain."},
        ]});
        assert_eq!(words(&about), "turns äpfel to-html to-text plain. ");
        assert_eq!(words(&Value::Null), "");
        let long = json!({"description": "ä".repeat(5000)});
        assert_eq!(words(&long).len(), 4096);
    }
}
