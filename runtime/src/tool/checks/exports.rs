//! 9. Exports: the functions a tool offers, their types, and that each name means one.

use super::Kind;
use super::describe::{Describer, json_bytes_of};
use super::kind::is_run_interface;
use crate::tool::command::CommandPlan;
use crate::tool::docs::PackageDocs;
use crate::tool::interface::{Function, Interface, Signature};
use crate::tool::manifest::Manifest;
use crate::tool::survey::Survey;
use crate::value::Parameter;
use crate::violation::{VIOLATIONS_MAX, Violation, quoted};
use std::collections::HashSet;
use wasmparser::component_types::{
    ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentFuncTypeId,
    ComponentValType,
};
use wasmparser::types::{EntityType, Types};

/// Interfaces that toolchains add for themselves, with the reason each is no function of the tool.
const TOOLCHAIN_INTERFACES: &[(&str, &str)] = &[(
    "exports",
    "componentize-py initialises its interpreter through `exports.init`",
)];

/// The most functions one tool offers.
const FUNCTIONS_MAX: usize = 256;
/// The most bytes of the name of a function that is offered, of its interface's and of each of its parameters'. They stand
/// in every view of the tool, and a function's in every record of a run.
const NAME_BYTES_MAX: usize = 256;

pub(super) fn check(
    survey: &Survey<'_>,
    types: &Types,
    kind: Kind,
    manifest: &Option<Manifest>,
) -> Result<Interface, Vec<Violation>> {
    let command = manifest
        .as_ref()
        .and_then(|manifest| manifest.command.as_ref());
    let chosen = manifest
        .as_ref()
        .and_then(|manifest| manifest.functions.as_ref());
    match kind {
        Kind::Typed if command.is_some() => {
            let message = "the manifest has a [command], but the tool is a typed component, whose functions are called by name";
            Err(vec![
                Violation::new("manifest_invalid", message).at_pointer("/command"),
            ])
        }
        Kind::Typed => typed(survey, types, chosen),
        Kind::Command | Kind::Preview1Command => {
            check_entry(survey, types, kind)?;
            let plan = CommandPlan::new(command)?;
            let function = Function {
                name: "run".to_owned(),
                description: None,
                signature: Signature::Command(plan),
            };
            choose(vec![function], chosen)
        }
    }
}

/// The entry of a command is there, takes nothing, and gives nothing (0.1) or a bare `result` (0.2).
fn check_entry(survey: &Survey<'_>, types: &Types, kind: Kind) -> Result<(), Vec<Violation>> {
    let (is_entry, name, message) = match kind {
        Kind::Typed => return Ok(()),
        Kind::Preview1Command => {
            let message = "`_start` must take no parameters and give no results";
            (has_start(types), "_start", message)
        }
        Kind::Command => {
            let message =
                "`wasi:cli/run` must have a function `run` that takes nothing and gives a `result`";
            (has_run(survey, types), "run", message)
        }
    };
    if is_entry {
        return Ok(());
    }
    let violation = Violation::new("kind_unknown", message);
    Err(vec![violation.in_section("export").in_function(name)])
}

fn has_start(types: &Types) -> bool {
    let mut exports = types.as_ref().core_exports().into_iter().flatten();
    match exports.find(|(name, _)| *name == "_start") {
        Some((_, EntityType::Func(id))) => {
            let ty = types[id].unwrap_func();
            ty.params().is_empty() && ty.results().is_empty()
        }
        _ => false,
    }
}

fn has_run(survey: &Survey<'_>, types: &Types) -> bool {
    let mut functions = found(survey, types).into_iter();
    let run =
        functions.find(|it| it.function == "run" && it.interface.is_some_and(is_run_interface));
    run.is_some_and(|run| {
        let ComponentFuncType {
            async_,
            params,
            result,
            ..
        } = &types[run.ty];
        let is_result = match result {
            Some(ComponentValType::Type(id)) => {
                matches!(
                    types[*id],
                    ComponentDefinedType::Result {
                        ok: None,
                        err: None,
                        ..
                    }
                )
            }
            _ => false,
        };
        !async_ && params.is_empty() && is_result
    })
}

fn typed(
    survey: &Survey<'_>,
    types: &Types,
    chosen: Option<&Vec<String>>,
) -> Result<Interface, Vec<Violation>> {
    let found = found(survey, types);
    let world_functions = found.iter().any(|it| it.interface.is_none());
    let mut describer = Describer::new(survey, types, PackageDocs::of(survey));
    let chosen_names: Option<HashSet<&str>> =
        chosen.map(|chosen| chosen.iter().map(String::as_str).collect());
    let mut functions = Vec::new();
    let mut violations = Vec::new();
    let mut offered = 0;
    for export in &found {
        let name = export.public_name();
        let is_offered = match &chosen_names {
            Some(chosen) => chosen.contains(name.as_str()) || chosen.contains(export.function),
            None => export.interface.is_none() == world_functions && !export.is_toolchain(),
        };
        if !is_offered {
            continue;
        }
        offered += 1;
        if offered > FUNCTIONS_MAX {
            continue;
        }
        match export.describe(types, &mut describer) {
            Ok(function) => functions.push(function),
            Err(violation) => violations.push(
                violation
                    .in_function(name)
                    .in_section("export")
                    .at(export.offset),
            ),
        }
    }
    violations.extend(collisions(&functions));
    if offered > FUNCTIONS_MAX {
        let message =
            format!("the tool offers {offered} functions; at most {FUNCTIONS_MAX} are allowed");
        violations.push(Violation::new("functions_too_many", message).in_section("export"));
    }
    if functions.is_empty() && violations.is_empty() && chosen.is_none() {
        let message =
            "the component exports no function that can be called: its instances hold types only";
        violations.push(Violation::new("kind_unknown", message).in_section("export"));
    }
    if violations.is_empty() {
        choose(functions, chosen)
    } else {
        Err(violations)
    }
}

/// An exported function, before its types are read.
struct Found<'a> {
    /// As exported: `package:name/interface@version`.
    interface: Option<&'a str>,
    function: &'a str,
    ty: ComponentFuncTypeId,
    offset: usize,
}

fn found<'a>(survey: &'a Survey<'_>, types: &'a Types) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    for export in &survey.exports {
        let offset = export.offset;
        match types
            .as_ref()
            .component_item_for_export(&export.name)
            .map(|item| item.ty)
        {
            Some(ComponentEntityType::Func(ty)) => {
                found.push(Found {
                    interface: None,
                    function: &export.name,
                    ty,
                    offset,
                });
            }
            Some(ComponentEntityType::Instance(instance)) => {
                for (name, item) in &types[instance].exports {
                    if let ComponentEntityType::Func(ty) = item.ty {
                        found.push(Found {
                            interface: Some(&export.name),
                            function: name,
                            ty,
                            offset,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    found
}

impl Found<'_> {
    /// `function`, or `interface.function`.
    fn public_name(&self) -> String {
        match self.interface {
            Some(interface) => format!("{}.{}", short_name(interface), self.function),
            None => self.function.to_owned(),
        }
    }

    fn is_toolchain(&self) -> bool {
        self.interface
            .is_some_and(|name| TOOLCHAIN_INTERFACES.iter().any(|(known, _)| *known == name))
    }

    fn describe(
        &self,
        types: &Types,
        describer: &mut Describer<'_>,
    ) -> Result<Function, Violation> {
        let ComponentFuncType {
            async_,
            params,
            result,
            ..
        } = &types[self.ty];
        if *async_ {
            return Err(Violation::new(
                "type_unsupported",
                "the function is async; export a plain one",
            ));
        }
        let scope = self.interface;
        let names = params.iter().map(|(name, _)| ("parameter", name.as_str()));
        let own = scope.map(|name| ("interface", name));
        for (what, name) in own
            .into_iter()
            .chain([("function", self.function)])
            .chain(names)
        {
            check_name(what, name)?;
            describer.take(0, name.len())?;
        }
        let parameters = params.iter().map(|(name, ty)| {
            Ok(Parameter {
                name: name.to_string(),
                ty: describer.describe(scope, ty)?,
            })
        });
        let parameters = parameters.collect::<Result<Vec<_>, Violation>>()?;
        let result = result
            .as_ref()
            .map(|ty| describer.describe(scope, ty))
            .transpose()?;
        let description = describer
            .docs()
            .function(scope, self.function)
            .map(str::to_owned);
        describer.take(0, description.as_deref().map_or(0, json_bytes_of))?;
        let (interface, function) = (scope.map(str::to_owned), self.function.to_owned());
        let signature = Signature::Typed {
            interface,
            function,
            parameters,
            result,
        };
        Ok(Function {
            name: self.public_name(),
            description,
            signature,
        })
    }
}

fn check_name(what: &str, name: &str) -> Result<(), Violation> {
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the {what}'s name has {} bytes; at most {NAME_BYTES_MAX} are allowed",
        name.len()
    );
    Err(Violation::new("name_too_long", message))
}

/// `forecast` of `acme:weather/forecast@1.0.0`.
fn short_name(interface: &str) -> &str {
    let path = interface
        .split_once('@')
        .map_or(interface, |(path, _)| path);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn collisions(functions: &[Function]) -> Vec<Violation> {
    let mut seen = HashSet::new();
    let twice = functions
        .iter()
        .filter(|function| !seen.insert(function.name.as_str()));
    twice
        .map(|function| {
            let name = quoted(&function.name);
            let message = format!("two functions are called `{name}`; rename one, or choose with `functions` in the manifest");
            Violation::new("export_collision", message).in_section("export").in_function(&function.name)
        })
        .collect()
}

/// Every name the manifest chooses must be a function.
fn choose(
    functions: Vec<Function>,
    chosen: Option<&Vec<String>>,
) -> Result<Interface, Vec<Violation>> {
    let interface = Interface::new(functions);
    let unknown = chosen
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, name)| interface.function(Some(name)).is_err());
    let violations: Vec<_> = unknown
        .take(VIOLATIONS_MAX)
        .map(|(index, name)| {
            let message = format!(
                "the manifest offers `{}`, which the tool does not export",
                quoted(name)
            );
            Violation::new("function_unknown", message).at_pointer(format!("/functions/{index}"))
        })
        .collect();
    match chosen {
        Some(chosen) if chosen.is_empty() => {
            let message = "the manifest's `functions` is empty: there is nothing to call";
            Err(vec![
                Violation::new("function_unknown", message).at_pointer("/functions"),
            ])
        }
        _ if violations.is_empty() => Ok(interface),
        _ => Err(violations),
    }
}
