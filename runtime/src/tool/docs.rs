//! Doc comments of WIT: the custom section `package-docs`, as WIT packages carry it. Toolchains drop it when they
//! make a component; packing a tool puts it back.

use crate::tool::survey::Survey;
use serde::Deserialize;
use std::collections::HashMap;

/// The section's name, shared with the WIT tools.
pub const SECTION: &str = "package-docs";

/// The most bytes of documentation read.
const BYTES_MAX: usize = 256 * 1024;

/// The most worlds and interfaces of which documentation is read.
const INTERFACES_MAX: usize = 1000;

/// Documentation of one WIT package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PackageDocs {
    worlds: HashMap<String, World>,
    interfaces: HashMap<String, Interface>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct World {
    /// Those that are only imported or only exported; of a name that is both, the export is in the field below.
    interfaces: HashMap<String, Interface>,
    interface_exports: HashMap<String, Interface>,
    funcs: HashMap<String, Item>,
    func_exports: HashMap<String, Item>,
    types: HashMap<String, TypeDocs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Interface {
    funcs: HashMap<String, Item>,
    types: HashMap<String, TypeDocs>,
}

/// A function: its text alone, or with its stability.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Item {
    Text(Option<String>),
    Item { docs: Option<String> },
}

/// Documentation of a named type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TypeDocs {
    /// Of the type itself.
    pub(crate) docs: Option<String>,
    /// Of its fields, cases or flags.
    pub(crate) items: HashMap<String, String>,
}

impl PackageDocs {
    /// What the file carries; nothing where that cannot be read: documentation is never a reason to refuse.
    pub(crate) fn of(survey: &Survey<'_>) -> Self {
        let section = survey
            .custom_sections
            .iter()
            .find(|section| section.name == SECTION);
        section
            .filter(|section| section.data.len() <= BYTES_MAX)
            .and_then(|section| section.data.get(1..))
            .and_then(|json| serde_json::from_slice(json).ok())
            .filter(|docs: &Self| docs.interfaces() <= INTERFACES_MAX)
            .unwrap_or_default()
    }

    /// Worlds and interfaces, which are gone through for each function and type.
    fn interfaces(&self) -> usize {
        let of_world = |it: &World| 1 + it.interfaces.len() + it.interface_exports.len();
        self.interfaces.len() + self.worlds.values().map(of_world).sum::<usize>()
    }

    /// Of a function, in an interface (as exported) or in a world.
    pub(crate) fn function(&self, interface: Option<&str>, name: &str) -> Option<&str> {
        let item = match interface {
            None => self
                .worlds
                .values()
                .find_map(|it| it.func_exports.get(name).or_else(|| it.funcs.get(name))),
            Some(interface) => self
                .interfaces_named(interface)
                .find_map(|it| it.funcs.get(name)),
        };
        match item? {
            Item::Text(text) => text.as_deref(),
            Item::Item { docs } => docs.as_deref(),
        }
    }

    /// Of a type, in an interface (as exported or imported) or in a world.
    pub(crate) fn ty(&self, interface: Option<&str>, name: &str) -> Option<&TypeDocs> {
        match interface {
            None => self.worlds.values().find_map(|world| world.types.get(name)),
            Some(interface) => self
                .interfaces_named(interface)
                .find_map(|it| it.types.get(name)),
        }
    }

    fn interfaces_named(&self, interface: &str) -> impl Iterator<Item = &Interface> {
        let path = interface
            .split_once('@')
            .map_or(interface, |(path, _)| path);
        let name = path
            .rsplit_once('/')
            .map_or(path, |(_, name)| name)
            .to_owned();
        let of_worlds = self
            .worlds
            .values()
            .flat_map(|it| it.interface_exports.iter().chain(&it.interfaces));
        self.interfaces
            .iter()
            .chain(of_worlds)
            .filter(move |(key, _)| **key == name)
            .map(|(_, it)| it)
    }
}
