//! How an unchanged command-line program is called: its manifest's `[command]` with the input's fields put in.

use crate::tool::manifest::DeclaredCommand;
use crate::tool::seller_schema::SellerSchema;
use crate::value::json_bytes;
use crate::violation::{Violation, pointer_part, quoted};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

/// The most violations of one manifest.
const VIOLATIONS_MAX: usize = 20;
/// The most bytes of a file's name, as file systems have it.
const FILE_NAME_BYTES_MAX: usize = 255;
/// The most parts of all templates together. Each call renders every part.
const PARTS_MAX: usize = 1000;
/// The most bytes that are rendered on a request thread. They take well under a millisecond.
const RENDERED_QUICKLY: u64 = 64 * 1024;
/// The most levels of a file's path.
const PATH_LEVELS_MAX: usize = 16;
/// The most bytes of a file's path.
const PATH_BYTES_MAX: usize = 1024;
/// The most files and folders of a command, outputs included.
const PATHS_MAX: usize = 1024;
/// How many times larger than the input may be what is made of it: a field may stand in more than one place.
const RENDERED_FACTOR: u64 = 4;

/// A `[command]`, parsed and checked once.
#[derive(Debug, Clone)]
pub(crate) struct CommandPlan {
    /// `None`: the input's JSON is standard input, and anything goes.
    declared: Option<Arc<Declared>>,
}

#[derive(Debug)]
struct Declared {
    arguments: Vec<Template>,
    stdin: Option<Template>,
    files: Vec<(String, Template)>,
    outputs: Vec<String>,
    schema: SellerSchema,
}

/// One call of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) arguments: Vec<String>,
    pub(crate) stdin: Vec<u8>,
    /// Placed in `/scratch` before the program starts.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Collected from there when it ended well.
    pub(crate) outputs: Vec<String>,
}

impl DeclaredCommand {
    /// Fields of `[command.input]` that callers may give and the program never sees.
    pub fn unused_fields(&self) -> Vec<String> {
        let fields = field_names(self);
        let texts = self.args.iter().chain(&self.stdin);
        let templates = texts.chain(self.files.values());
        let templates = templates.filter_map(|text| Template::parse(text, &fields).ok());
        let used: HashSet<Part> = templates.flat_map(|it| it.0).collect();
        let is_unused = |field: &&str| !used.contains(&Part::Field((*field).to_owned()));
        let unused = fields.listed.iter().copied().filter(is_unused);
        unused.map(str::to_owned).collect()
    }
}

impl CommandPlan {
    pub(crate) fn new(command: Option<&DeclaredCommand>) -> Result<Self, Vec<Violation>> {
        let Some(command) = command else {
            return Ok(Self { declared: None });
        };
        let mut violations = Vec::new();
        let schema = SellerSchema::new(command.input.as_ref())
            .map_err(|found| violations.extend(found))
            .ok();
        let fields = field_names(command);
        let mut template = |text: &str, pointer: String| {
            if violations.len() >= VIOLATIONS_MAX {
                return None;
            }
            let refuse = |message| {
                let violation = Violation::new("manifest_invalid", message);
                violations.push(violation.at_pointer(pointer));
            };
            Template::parse(text, &fields).map_err(refuse).ok()
        };
        let arguments: Vec<_> = command
            .args
            .iter()
            .enumerate()
            .filter_map(|(index, text)| template(text, format!("/command/args/{index}")))
            .collect();
        let stdin = command
            .stdin
            .as_ref()
            .and_then(|text| template(text, "/command/stdin".to_owned()));
        let files: Vec<_> = command
            .files
            .iter()
            .filter_map(|(path, text)| {
                Some((
                    path.clone(),
                    template(text, format!("/command/files/{}", pointer_part(path)))?,
                ))
            })
            .collect();
        violations.extend(check_paths(command));
        let templates = arguments.iter().chain(&stdin);
        let templates = templates.chain(files.iter().map(|(_, template)| template));
        let parts: usize = templates.map(|template| template.0.len()).sum();
        if parts > PARTS_MAX {
            let message = format!(
                "the texts of [command] have {parts} parts (fields and the text between them); at most {PARTS_MAX} are allowed"
            );
            violations.push(Violation::new("manifest_invalid", message).at_pointer("/command"));
        }
        match schema {
            Some(schema) if violations.is_empty() => {
                let outputs = command.outputs.clone();
                Ok(Self {
                    declared: Some(Arc::new(Declared {
                        arguments,
                        stdin,
                        files,
                        outputs,
                        schema,
                    })),
                })
            }
            _ => Err(violations),
        }
    }

    /// Whether the program is given or asked for files.
    pub(crate) fn has_files(&self) -> bool {
        let declared = self.declared.as_ref();
        declared.is_some_and(|it| !(it.files.is_empty() && it.outputs.is_empty()))
    }

    /// Bytes that the schema takes in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let declared = self.declared.as_ref();
        declared.map_or(0, |it| it.schema.memory_bytes())
    }

    /// What judging an input takes at most.
    pub(crate) fn judging_time(&self, input: &Value) -> Duration {
        let declared = self.declared.as_ref();
        declared.map_or(Duration::ZERO, |it| it.schema.judging_time(input))
    }

    /// True if making the call for an input is certain to take less than a millisecond.
    pub(crate) fn is_called_quickly(&self, input: &Value) -> bool {
        let declared = self.declared.as_ref();
        declared.is_none_or(|it| it.rendered_bytes(input) <= RENDERED_QUICKLY)
    }

    /// Judges an input by the manifest's schema.
    pub(crate) fn check(&self, input: &Value) -> Result<(), Vec<Violation>> {
        let declared = self.declared.as_ref();
        declared.map_or(Ok(()), |it| it.schema.check(input))
    }

    /// The call for an input that was checked. It is at most a few times as large as `input_bytes_max`.
    pub(crate) fn call(&self, input: &Value, input_bytes_max: u64) -> Result<Call, Vec<Violation>> {
        let Some(declared) = &self.declared else {
            let stdin = if input.is_null() {
                Vec::new()
            } else {
                input.to_string().into_bytes()
            };
            return Ok(Call {
                stdin,
                ..Call::default()
            });
        };
        let rendered_bytes = declared.rendered_bytes(input);
        if rendered_bytes > input_bytes_max.saturating_mul(RENDERED_FACTOR) {
            let message = format!(
                "the program's arguments and files would have {rendered_bytes} bytes of this input; \
                 at most {RENDERED_FACTOR} times the input limit of {input_bytes_max} are made"
            );
            return Err(vec![Violation::new("input_invalid", message)]);
        }
        let render = |(path, template): &(String, Template)| {
            Some((path.clone(), template.render(input)?.into_bytes()))
        };
        Ok(Call {
            arguments: declared.arguments(input)?,
            stdin: declared
                .stdin
                .as_ref()
                .and_then(|template| template.render(input))
                .unwrap_or_default()
                .into_bytes(),
            files: declared.files.iter().filter_map(render).collect(),
            outputs: declared.outputs.clone(),
        })
    }

    pub(crate) fn input_schema(&self) -> &Value {
        static ANYTHING: Value = Value::Bool(true);
        self.declared
            .as_ref()
            .map_or(&ANYTHING, |declared| declared.schema.json())
    }

    pub(crate) fn output_schema(&self) -> Value {
        match &self.declared {
            Some(declared) if !declared.outputs.is_empty() => {
                let files: serde_json::Map<_, _> = declared
                    .outputs
                    .iter()
                    .map(|name| (name.clone(), json!(true)))
                    .collect();
                json!({
                    "type": "object",
                    "properties": {
                        "stdout": true,
                        "files": {"type": "object", "properties": files, "required": declared.outputs}
                    },
                    "required": ["stdout", "files"]
                })
            }
            _ => Value::Bool(true),
        }
    }
}

impl Call {
    /// Bytes the host holds of it.
    pub(crate) fn bytes(&self) -> u64 {
        let arguments = self.arguments.iter().map(String::len);
        let files = self.files.iter().map(|(_, bytes)| bytes.len());
        (self.stdin.len() + arguments.chain(files).sum::<usize>()) as u64
    }
}

impl Declared {
    /// An upper bound of what the templates make of an input, found without making it.
    fn rendered_bytes(&self, input: &Value) -> u64 {
        let templates = self.arguments.iter().chain(&self.stdin);
        let files = self.files.iter().map(|(_, template)| template);
        let fields = input.as_object().into_iter().flatten();
        let lengths = fields
            .map(|(name, value)| (name.as_str(), json_bytes(value)))
            .collect();
        templates
            .chain(files)
            .map(|template| template.rendered_bytes(&lengths))
            .sum()
    }

    /// An argument that begins with a value must not begin with a dash: a caller would choose the program's
    /// options. After `--`, or behind `=`, it is only a value.
    fn arguments(&self, input: &Value) -> Result<Vec<String>, Vec<Violation>> {
        let mut arguments = Vec::new();
        let mut options_ended = false;
        for template in &self.arguments {
            let Some(argument) = template.render(input) else {
                continue;
            };
            if let (Some(Part::Field(field)), false) = (template.0.first(), options_ended)
                && argument.starts_with('-')
            {
                let message = format!(
                    "/{}: a value that begins with `-` would be read as an option",
                    quoted(field)
                );
                return Err(vec![
                    Violation::new("input_invalid", message).at_pointer(format!("/{field}")),
                ]);
            }
            options_ended |= argument == "--";
            arguments.push(argument);
        }
        Ok(arguments)
    }
}

/// The fields of `[command.input]`.
struct FieldNames<'c> {
    listed: Vec<&'c str>,
    known: HashSet<&'c str>,
}

fn field_names(command: &DeclaredCommand) -> FieldNames<'_> {
    let input = command.input.as_ref();
    let properties = input.and_then(|schema| schema.get("properties"));
    let properties = properties.and_then(Value::as_object);
    let names = properties.into_iter().flat_map(serde_json::Map::keys);
    FieldNames::of(names.map(String::as_str).collect())
}

impl<'c> FieldNames<'c> {
    fn of(listed: Vec<&'c str>) -> Self {
        Self {
            known: listed.iter().copied().collect(),
            listed,
        }
    }
}

/// Files that the program is given or asked for: plain paths, of which none is another's folder.
fn check_paths(command: &DeclaredCommand) -> Vec<Violation> {
    let invalid =
        |message: String| Violation::new("manifest_invalid", message).at_pointer("/command");
    let paths = || command.files.keys().chain(&command.outputs);
    let not_plain = paths().filter(|path| !is_plain_path(path)).map(|path| {
        let path = quoted(path);
        invalid(format!("`{path}` must be a file's path inside of /scratch: no `/` before it, no `..`, no control characters, names of at most {FILE_NAME_BYTES_MAX} bytes"))
    });
    let is_long = |path: &&String| {
        path.len() > PATH_BYTES_MAX || Path::new(path).components().count() > PATH_LEVELS_MAX
    };
    let long = paths().filter(is_long).map(|path| {
        let path = quoted(path);
        invalid(format!("`{path}` is too long: a path has at most {PATH_LEVELS_MAX} levels and {PATH_BYTES_MAX} bytes"))
    });
    let folders = paths().filter(|path| !is_long(path)).flat_map(|path| {
        let above = Path::new(path).ancestors().skip(1);
        above.filter(|it| !it.as_os_str().is_empty())
    });
    let made = paths().count() + folders.collect::<HashSet<_>>().len();
    let many = (made > PATHS_MAX).then(|| {
        invalid(format!(
            "the command has {made} files and folders; at most {PATHS_MAX} are allowed"
        ))
    });
    let all: BTreeSet<&str> = paths().map(String::as_str).collect();
    let is_folder_of = |folder: &String| {
        let inside = format!("{folder}/");
        let mut after = all.range(inside.as_str()..);
        after.next().is_some_and(|path| path.starts_with(&inside))
    };
    let folders = paths().filter(|path| is_folder_of(path)).map(|path| {
        invalid(format!(
            "`{}` is a file and a folder of another",
            quoted(path)
        ))
    });
    let violations = not_plain.chain(long).chain(many).chain(folders);
    violations.take(VIOLATIONS_MAX).collect()
}

fn is_plain_path(path: &str) -> bool {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => name.len() <= FILE_NAME_BYTES_MAX,
        _ => false,
    };
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(is_plain) && !path.chars().any(char::is_control)
}

/// Text with fields of the input in it: `-p {script}`. `{{` is a brace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Literal(String),
    Field(String),
}

impl Template {
    fn parse(text: &str, fields: &FieldNames<'_>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find('{') {
            literal.push_str(&rest[..brace]);
            rest = &rest[brace + 1..];
            if let Some(after) = rest.strip_prefix('{') {
                literal.push('{');
                rest = after;
                continue;
            }
            let Some(name) = name_before_brace(rest) else {
                // Not a field: the brace is the program's own, as in `awk '{ print $1 }'`.
                literal.push('{');
                continue;
            };
            if !fields.known.contains(name) {
                let name = quoted(name);
                return Err(format!(
                    "`{{{name}}}` is no field of [command.input] (it has {}); for a brace of the program's own write `{{{{`",
                    some_of(&fields.listed)
                ));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Field(name.to_owned()));
            rest = &rest[name.len() + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    fn rendered_bytes(&self, field_bytes: &HashMap<&str, u64>) -> u64 {
        let lengths = self.0.iter().map(|part| match part {
            Part::Literal(literal) => literal.len() as u64,
            Part::Field(name) => field_bytes.get(name.as_str()).copied().unwrap_or(0),
        });
        lengths.sum()
    }

    /// The text, or `None` where a field is absent. Strings go in as they are, anything else as compact JSON.
    fn render(&self, input: &Value) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Field(name) => match input.get(name)? {
                    Value::Null => return None,
                    Value::String(value) => text.push_str(value),
                    value => text.push_str(&value.to_string()),
                },
            }
        }
        Some(text)
    }
}

fn some_of(fields: &[&str]) -> String {
    const NAMED_MAX: usize = 10;
    match fields.len() {
        0 => "none".to_owned(),
        length => {
            let named: Vec<_> = fields
                .iter()
                .take(NAMED_MAX)
                .map(|field| quoted(field))
                .collect();
            let more = if length > NAMED_MAX { ", …" } else { "" };
            format!("{}{more}", named.join(", "))
        }
    }
}

/// The field's name that a text begins with, if a closing brace follows it. Nothing behind that is looked at: texts are
/// read once, however many braces they have.
fn name_before_brace(text: &str) -> Option<&str> {
    let is_of_name = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    let length = text.bytes().take_while(is_of_name).count();
    let (name, rest) = text.split_at(length);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && rest.starts_with('}')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<CommandPlan, Vec<Violation>> {
        let command: DeclaredCommand = toml::from_str(text).expect("valid TOML");
        CommandPlan::new(Some(&command))
    }

    const YOSYS: &str = r#"
        args = ["-q", "-p", "{script}", "--seed={seed}", "--", "{rest}"]
        stdin = "in: {script}"
        files = { "in.v" = "{verilog}" }
        outputs = ["out.json"]
        [input]
        type = "object"
        required = ["script"]
        additionalProperties = false
        properties = { script = { type = "string" }, seed = { type = "integer" }, rest = {}, verilog = {} }
    "#;

    #[test]
    fn fields_go_where_the_manifest_says() {
        let plan = plan(YOSYS).expect("valid");
        let call = plan
            .call(
                &json!({"script": "synth -top", "seed": 7, "rest": "-x", "verilog": {"a": 1}}),
                1000,
            )
            .expect("valid");
        assert_eq!(
            call.arguments,
            ["-q", "-p", "synth -top", "--seed=7", "--", "-x"]
        );
        assert_eq!(call.stdin, b"in: synth -top");
        assert_eq!(call.files, [("in.v".to_owned(), br#"{"a":1}"#.to_vec())]);
        assert_eq!(call.outputs, ["out.json"]);
    }

    #[test]
    fn no_more_is_made_of_an_input_than_a_few_times_what_it_may_have() {
        let text = format!(
            "stdin = \"{}\"\n[input]\nproperties = {{ a = {{}} }}",
            "{a}".repeat(9)
        );
        let plan = plan(&text).expect("valid");
        assert!(
            plan.call(&json!({"a": "x".repeat(400)}), 1000).is_ok(),
            "9 * 402 bytes"
        );
        assert!(
            plan.call(&json!({"a": "x".repeat(500)}), 1000).is_err(),
            "9 * 502 bytes"
        );
    }

    #[test]
    fn an_absent_field_drops_its_whole_argument() {
        let checked = plan(YOSYS)
            .expect("valid")
            .check(&json!({"script": "x", "seed": null}));
        assert!(checked.is_err(), "null is not an integer by the schema");
        let call = plan(YOSYS)
            .expect("valid")
            .call(&json!({"script": "x"}), 1000)
            .expect("valid");
        assert_eq!(call.arguments, ["-q", "-p", "x", "--"]);
        assert!(call.files.is_empty());
    }

    #[test]
    fn a_value_never_becomes_an_option() {
        let plan = plan(YOSYS).expect("valid");
        let violations = plan
            .call(&json!({"script": "--exec=rm"}), 1000)
            .expect_err("an option");
        assert_eq!(violations[0].place.pointer.as_deref(), Some("/script"));
        assert!(
            plan.call(&json!({"script": "x", "seed": -3}), 1000).is_ok(),
            "behind `=`"
        );
        assert!(
            plan.call(&json!({"script": "x", "rest": "--exec"}), 1000)
                .is_ok(),
            "after `--`"
        );
    }

    #[test]
    fn what_the_manifest_gets_wrong_is_named() {
        let cases = [
            ("args = [\"{nope}\"]", "nope"),
            ("files = { \"../x\" = \"a\" }", "../x"),
            ("files = { \"/x\" = \"a\" }", "/x"),
            ("outputs = [\"\"]", "inside of /scratch"),
            ("outputs = [\"a\\u001b\"]", "control"),
            (
                "files = { \"a\" = \"\", \"a/b\" = \"\" }",
                "folder of another",
            ),
            ("[input]\ntype = 5", "schema"),
        ];
        for (text, named) in cases {
            let violations = plan(text).expect_err(text);
            assert!(violations[0].message.contains(named), "{}", violations[0]);
        }
    }

    #[test]
    fn braces_of_the_program_s_own_stay() {
        let fields = FieldNames::of(vec!["a"]);
        let template =
            |text| Template::parse(text, &fields).map(|it| it.render(&json!({"a": "x"})));
        assert_eq!(
            template("{ print $1 }"),
            Ok(Some("{ print $1 }".to_owned()))
        );
        assert_eq!(template("{{a}"), Ok(Some("{a}".to_owned())));
        assert_eq!(template("{a}{a}}{"), Ok(Some("xx}{".to_owned())));
        assert_eq!(template(""), Ok(Some(String::new())));
    }

    #[test]
    fn without_a_command_section_the_input_is_standard_input() {
        let plan = CommandPlan::new(None).expect("valid");
        assert_eq!(
            plan.call(&json!({"a": [1, 2]}), 1000).expect("valid").stdin,
            br#"{"a":[1,2]}"#
        );
        assert_eq!(plan.call(&Value::Null, 1000).expect("valid").stdin, b"");
    }
}
