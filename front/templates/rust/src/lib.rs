//! The tool: one function for each that `wit/tool.wit` exports. What is `Err` there fails the run, and costs nothing.

wit_bindgen::generate!({ world: "tool" });

struct Tool;

impl Guest for Tool {
    fn greet(name: String) -> Result<String, String> {
        if name.trim().is_empty() {
            return Err("whom to greet?".to_owned());
        }
        Ok(format!("Hello, {name}!"))
    }
}

export!(Tool);
