//! Wallets in the database, which change in the transaction that gives the reason.

use crate::error::StoreError;
use crate::id::OrgId;
use crate::sql::statements;
use crate::sql::{Connection, SqlError, values};
use std::collections::HashMap;

/// Changes wallets, each once. Refused by the database where one would be less than empty.
pub(crate) fn post(
    connection: &mut Connection,
    changes: impl IntoIterator<Item = (OrgId, i64)>,
) -> Result<(), StoreError> {
    let changes = summed(changes);
    let takes = |(_, tokens): &&(OrgId, i64)| *tokens < 0;
    let (takes, gives): (Vec<_>, Vec<_>) = changes.iter().partition(takes);
    let mut changed = 0;
    for (statement, changes) in [
        (statements::GIVE_TOKENS, gives),
        (statements::TAKE_TOKENS, takes),
    ] {
        let changes = changes
            .into_iter()
            .map(|(org, tokens)| values![tokens, org]);
        changed += connection.execute_each(statement, changes)?;
    }
    match changed == changes.len() as u64 {
        true => Ok(()),
        false => Err(SqlError::unreadable("a wallet is missing").into()),
    }
}

/// One change an org, where there is any.
fn summed(changes: impl IntoIterator<Item = (OrgId, i64)>) -> Vec<(OrgId, i64)> {
    let mut summed: HashMap<OrgId, i64> = HashMap::new();
    for (org, tokens) in changes {
        *summed.entry(org).or_default() += tokens;
    }
    summed.retain(|_, tokens| *tokens != 0);
    summed.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_that_is_on_both_sides_is_changed_once() {
        let (one, other) = (OrgId::new(), OrgId::new());
        let mut changes = summed([(one, -10), (one, 10), (one, -1), (other, 1)]);
        changes.sort_by_key(|(_, tokens)| *tokens);
        assert_eq!(changes, [(one, -1), (other, 1)]);
        assert_eq!(summed([(one, -10), (one, 10)]), []);
    }
}
