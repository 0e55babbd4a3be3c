//! The functions a tool offers, as callers see them.

use crate::tool::command::CommandPlan;
use crate::value::{Parameter, Type, held};
use crate::violation::quoted;
use serde_json::{Value, json};
use std::sync::Arc;

/// A tool's functions.
#[derive(Debug, Clone)]
pub struct Interface {
    functions: Arc<[Function]>,
}

/// One function.
#[derive(Debug, Clone)]
pub struct Function {
    /// `function`, or `interface.function`; `run` for a command.
    pub name: String,
    /// From the interface's doc comments.
    pub description: Option<String>,
    pub(crate) signature: Signature,
}

/// How a function is called.
#[derive(Debug, Clone)]
pub(crate) enum Signature {
    Typed {
        interface: Option<String>,
        function: String,
        parameters: Vec<Parameter>,
        result: Option<Type>,
    },
    Command(CommandPlan),
}

/// The function asked for is not there, or it is not clear which is meant. The message lists the names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownFunction {
    message: String,
}

impl Interface {
    pub(crate) fn new(functions: Vec<Function>) -> Self {
        Self {
            functions: functions.into(),
        }
    }

    /// Bytes that a seller's schemas and types take in memory, about.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let plans = self
            .functions
            .iter()
            .map(|function| match &function.signature {
                Signature::Typed {
                    interface,
                    function: own,
                    parameters,
                    result,
                } => {
                    let parameters = parameters.iter().map(Parameter::memory_bytes);
                    let result = result.as_ref().map_or(0, Type::memory_bytes);
                    let texts = [Some(&function.name), function.description.as_ref()];
                    let texts = texts.into_iter().chain([interface.as_ref(), Some(own)]);
                    let texts = texts.flatten().map(|text| held::name(text));
                    parameters.sum::<u64>() + result + texts.sum::<u64>()
                }
                Signature::Command(plan) => plan.memory_bytes(),
            });
        plans.sum()
    }

    /// All functions, in the file's order.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function of that name: whole, or without its interface while that is unique; without a name the only
    /// function there is.
    pub fn function(&self, name: Option<&str>) -> Result<&Function, UnknownFunction> {
        self.index(name).map(|index| &self.functions[index])
    }

    /// What a typed function gives back, if anything.
    pub(crate) fn result_type(&self, index: usize) -> Option<&Type> {
        match &self.functions[index].signature {
            Signature::Typed { result, .. } => result.as_ref(),
            Signature::Command(_) => None,
        }
    }

    pub(crate) fn parameters(&self, index: usize) -> &[Parameter] {
        match &self.functions[index].signature {
            Signature::Typed { parameters, .. } => parameters,
            Signature::Command(_) => &[],
        }
    }

    /// Whether files are placed for a function or collected after it.
    pub(crate) fn has_files(&self) -> bool {
        self.functions
            .iter()
            .any(|function| match &function.signature {
                Signature::Typed { .. } => false,
                Signature::Command(plan) => plan.has_files(),
            })
    }

    pub(crate) fn index(&self, name: Option<&str>) -> Result<usize, UnknownFunction> {
        let Some(name) = name else {
            return match self.functions.len() {
                1 => Ok(0),
                _ => Err(self.unknown("the tool has more than one function; name one".to_owned())),
            };
        };
        if let Some(index) = self
            .functions
            .iter()
            .position(|function| function.name == name)
        {
            return Ok(index);
        }
        let mut bare = self
            .functions
            .iter()
            .enumerate()
            .filter(|(_, function)| function.bare_name() == name);
        match (bare.next(), bare.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(self.unknown(format!(
                "`{}` is in more than one interface; name the interface too",
                quoted(name)
            ))),
            _ => Err(self.unknown(format!("the tool has no function `{}`", quoted(name)))),
        }
    }

    fn unknown(&self, problem: String) -> UnknownFunction {
        const NAMED_MAX: usize = 10;
        let names: Vec<_> = self
            .functions
            .iter()
            .take(NAMED_MAX)
            .map(|it| format!("`{}`", quoted(&it.name)))
            .collect();
        let more = if self.functions.len() > NAMED_MAX {
            ", …"
        } else {
            ""
        };
        UnknownFunction {
            message: format!("{problem} (it has {}{more})", names.join(", ")),
        }
    }
}

impl Function {
    fn bare_name(&self) -> &str {
        match &self.signature {
            Signature::Typed { function, .. } => function,
            Signature::Command(_) => &self.name,
        }
    }

    /// JSON Schema of the input: an object of the parameters by name; for a command what its manifest says.
    pub fn input_schema(&self) -> Value {
        match &self.signature {
            Signature::Typed { parameters, .. } => crate::value::object_schema(parameters),
            Signature::Command(plan) => plan.input_schema().clone(),
        }
    }

    /// JSON Schema of the output. Of a `result` at the top it is the `ok` side.
    pub fn output_schema(&self) -> Value {
        match &self.signature {
            Signature::Typed { result: None, .. } => json!({"type": "null"}),
            Signature::Typed {
                result: Some(ty), ..
            } => ty.output_schema(),
            Signature::Command(plan) => plan.output_schema(),
        }
    }
}
