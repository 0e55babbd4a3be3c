//! The rights of keys.

/// A right of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Run tools and read runs.
    Run,
    /// Upload, validate and publish tools.
    Publish,
    /// Everything of a project, keys and environment included.
    Manage,
    /// The platform's own calls.
    Operator,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Scope::Run, Scope::Publish, Scope::Manage, Scope::Operator];

    /// As written in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Run => "run",
            Scope::Publish => "publish",
            Scope::Manage => "manage",
            Scope::Operator => "operator",
        }
    }

    /// The scope of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes([bool; 4]);

impl Scopes {
    /// These.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let mut set = Self::default();
        for scope in scopes {
            set.0[scope as usize] = true;
        }
        set
    }

    /// True if a call that needs `scope` is covered: `manage` covers `run` and `publish`, `operator` covers `manage`
    /// (in its own project).
    pub fn cover(&self, scope: Scope) -> bool {
        let has = |scope: Scope| self.0[scope as usize];
        match scope {
            Scope::Run => has(scope) || self.cover(Scope::Manage),
            Scope::Publish => has(scope) || self.cover(Scope::Manage),
            Scope::Manage => has(scope) || has(Scope::Operator),
            Scope::Operator => has(scope),
        }
    }

    /// True for the empty set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Those in the set.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        let set = self.0;
        Scope::ALL
            .into_iter()
            .filter(move |scope| set[*scope as usize])
    }

    pub(crate) fn text(&self) -> String {
        self.iter().map(Scope::name).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn read(text: &str) -> Self {
        Self::of(text.split(' ').filter_map(Scope::named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_what_the_contract_says() {
        use Scope::{Manage, Operator, Publish, Run};
        let cases = [
            (Run, [true, false, false, false]),
            (Publish, [false, true, false, false]),
            (Manage, [true, true, true, false]),
            (Operator, [true, true, true, true]),
        ];
        for (scope, covered) in cases {
            let scopes = Scopes::of([scope]);
            assert_eq!(
                Scope::ALL.map(|asked| scopes.cover(asked)),
                covered,
                "{scope:?}"
            );
            assert_eq!(Scopes::read(&scopes.text()), scopes);
        }
    }
}
