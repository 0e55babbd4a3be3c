//! The results of the checks as JSON. They are kept with a tool's code, and a child that judges a file answers with them.

use super::{Admissible, CODES, Kind};
use crate::tool::command::CommandPlan;
use crate::tool::interface::{Function, Interface, Signature};
use crate::tool::manifest::Manifest;
use crate::tool::survey::Counts;
use crate::value::{Parameter, Type};
use crate::violation::{Place, Violation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// A child's answer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Verdict(Result<Facts, Vec<Found>>);

/// Everything that a tool is made of but its code.
#[derive(Serialize, Deserialize)]
pub(crate) struct Facts {
    kind: Kind,
    functions: Vec<FunctionFacts>,
    /// As the seller wrote it.
    manifest: Option<String>,
    uses_files: bool,
    counts: Counts,
    name_bytes: u64,
    notes: Vec<Found>,
}

#[derive(Serialize, Deserialize)]
struct FunctionFacts {
    name: String,
    description: Option<String>,
    /// A command has none: how it is called is in the manifest.
    typed: Option<Typed>,
}

#[derive(Serialize, Deserialize)]
struct Typed {
    interface: Option<String>,
    function: String,
    parameters: Vec<Parameter>,
    result: Option<Type>,
}

#[derive(Serialize, Deserialize)]
struct Found {
    code: String,
    message: String,
    place: Place,
}

impl Verdict {
    pub(crate) fn of(judged: &Result<Admissible, Vec<Violation>>) -> Self {
        let facts = judged.as_ref().map(Facts::of);
        Self(facts.map_err(|violations| violations.iter().map(found).collect()))
    }

    /// The verdict. `None` if it has an unknown code.
    pub(crate) fn judged(self) -> Option<Result<Admissible, Vec<Violation>>> {
        Some(match self.0 {
            Ok(facts) => Ok(facts.admissible()?),
            Err(violations) => Err(violations
                .into_iter()
                .map(violation)
                .collect::<Option<_>>()?),
        })
    }
}

/// Parses JSON that this crate wrote. Types nest as deep as the checks allow, which is more levels of JSON than is
/// read by default.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(text);
    json.disable_recursion_limit();
    T::deserialize(&mut json)
}

impl Facts {
    pub(crate) fn of(admissible: &Admissible) -> Self {
        Self {
            kind: admissible.kind,
            functions: admissible
                .interface
                .functions()
                .iter()
                .map(function)
                .collect(),
            manifest: admissible.manifest.as_ref().map(|it| it.text.clone()),
            uses_files: admissible.uses_files,
            counts: admissible.counts,
            name_bytes: admissible.name_bytes,
            notes: admissible.notes.iter().map(found).collect(),
        }
    }

    pub(crate) fn write(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    pub(crate) fn read(text: &[u8]) -> Result<Self, &'static str> {
        read(text).map_err(|_| "its facts cannot be read")
    }

    /// What they were found of; nothing where another program wrote them.
    pub(crate) fn admissible(self) -> Option<Admissible> {
        let manifest = self.manifest.as_deref().map(Manifest::parse);
        let manifest = manifest.transpose().ok()?;
        let command = manifest.as_ref().and_then(|it| it.command.as_ref());
        let functions = self.functions.into_iter().map(|function| {
            let signature = match function.typed {
                Some(typed) => Signature::Typed {
                    interface: typed.interface,
                    function: typed.function,
                    parameters: typed.parameters,
                    result: typed.result,
                },
                None => Signature::Command(CommandPlan::new(command).ok()?),
            };
            Some(Function {
                name: function.name,
                description: function.description,
                signature,
            })
        });
        let interface = Interface::new(functions.collect::<Option<_>>()?);
        let notes = self.notes.into_iter().map(violation);
        let notes = notes.collect::<Option<_>>()?;
        Some(Admissible {
            kind: self.kind,
            interface,
            manifest,
            uses_files: self.uses_files,
            counts: self.counts,
            name_bytes: self.name_bytes,
            notes,
        })
    }
}

fn function(function: &Function) -> FunctionFacts {
    let typed = match &function.signature {
        Signature::Typed {
            interface,
            function,
            parameters,
            result,
        } => Some(Typed {
            interface: interface.clone(),
            function: function.clone(),
            parameters: parameters.clone(),
            result: result.clone(),
        }),
        Signature::Command(_) => None,
    };
    FunctionFacts {
        name: function.name.clone(),
        description: function.description.clone(),
        typed,
    }
}

fn found(violation: &Violation) -> Found {
    Found {
        code: violation.code.to_owned(),
        message: violation.message.clone(),
        place: violation.place.clone(),
    }
}

/// A violation whose code the checks know.
fn violation(found: Found) -> Option<Violation> {
    let code = CODES.iter().find(|code| **code == found.code)?;
    Some(Violation {
        code,
        message: found.message,
        place: found.place,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::checks::{Rules, admit};

    /// A tool is the same whether its bytes were read or its facts.
    #[test]
    fn facts_are_what_the_checks_found() {
        let mut judged = 0;
        for fixture in tollgate_fixtures::FIXTURES {
            if fixture.source == tollgate_fixtures::Source::Large {
                continue;
            }
            let wasm = tollgate_fixtures::packed_bytes(fixture.name);
            let Ok(found) = admit(&wasm, &Rules::default()) else {
                continue;
            };
            let text = Facts::of(&found).write().expect("JSON");
            let facts = Facts::read(&text).expect(fixture.name);
            let again = facts.admissible().expect(fixture.name);
            assert_eq!(
                format!("{found:?}"),
                format!("{again:?}"),
                "{}",
                fixture.name
            );
            judged += 1;
        }
        assert!(judged > 30, "{judged} fixtures");
    }

    #[test]
    fn types_may_nest_as_deep_as_is_admitted() {
        let depth = crate::limits::DEPTH_MAX - 4;
        let nested = "(list ".repeat(depth) + "u8" + &")".repeat(depth);
        let text = format!(
            r#"(component
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                    (func (export "f") (param i32 i32)))
                (core instance $m (instantiate $m))
                (func (export "f") (param "deep" {nested})
                    (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc")))))"#
        );
        let wasm = wat::parse_str(text).expect("valid text");
        let found = admit(&wasm, &Rules::default()).expect("admitted");
        let text = Facts::of(&found).write().expect("JSON");
        let again = Facts::read(&text).expect("read").admissible();
        assert_eq!(format!("{found:?}"), format!("{:?}", again.expect("ours")));
    }
}
