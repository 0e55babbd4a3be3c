//! How an unchanged command-line program is called: its manifest's `[command]` with the input's fields put in.

mod paths;
mod template;
#[cfg(test)]
mod tests;

use crate::tool::manifest::DeclaredCommand;
use crate::tool::seller_schema::SellerSchema;
use crate::value::json_bytes;
use crate::violation::{Violation, pointer_part, quoted};
use paths::check_paths;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use template::{Part, Template, field_names};

/// The most violations of one manifest.
const VIOLATIONS_MAX: usize = 20;
/// The most parts of all templates together. Each call renders every part.
const PARTS_MAX: usize = 1000;
/// The most bytes that are rendered on a request thread. They take well under a millisecond.
const RENDERED_QUICKLY: u64 = 64 * 1024;
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
