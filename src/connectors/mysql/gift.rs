//! The privileges that accounts lack on databases, and at which place each has to be given.
//!
//! Of all grants of one account that mean a database by its name or a pattern the server uses one, the narrowest. A grant for `shop`
//! beside one for `sh%` would therefore take away what only the wider one gave: it is given along.

use std::collections::BTreeSet;

use super::account::Account;
use super::grant::{Grant, Level};
use super::grants::Grants;
use super::order::Scope;
use crate::connectors::ActionError;

/// What the named accounts have to be given, so that each of them holds the privileges on each of the databases itself. What a role or
/// the public gives does not count: a session may be without it.
pub(super) fn missing(scope: &Scope, privileges: &[String]) -> Result<BTreeSet<Grant>, ActionError> {
    let wanted: Vec<String> = privileges.iter().map(|privilege| privilege.to_ascii_uppercase()).collect();
    let mut found = BTreeSet::new();
    for account in &scope.frozen {
        for database in &scope.databases {
            found.extend(missing_of(&scope.grants, account, database, &wanted)?);
        }
    }
    Ok(found)
}

fn missing_of(grants: &Grants, account: &Account, database: &str, wanted: &[String]) -> Result<Vec<Grant>, ActionError> {
    let held = || grants.all.iter().filter(|grant| grant.account == *account);
    let here: Vec<&Grant> =
        held().filter(|grant| matches!(grant.level, Level::Database { .. }) && grants.reaches(grant, database)).collect();
    let patterns: BTreeSet<&str> = here
        .iter()
        .filter_map(|grant| match &grant.level {
            Level::Database { pattern } => Some(pattern.as_str()),
            Level::Except { .. } | Level::Column { .. } | Level::Routine { .. } | Level::Table { .. } | Level::Global => None,
        })
        .collect();
    let narrow = grants.name_as_pattern(database);
    // The name as it stands is what everybody writes, also where a part of it is a wildcard.
    let own = [narrow.as_str(), database].into_iter().find(|name| patterns.contains(name));
    let acting = own.or(patterns.first().copied());
    let everywhere = held().filter(|grant| grant.level == Level::Global && grants.reaches(grant, database));
    let everywhere: BTreeSet<&str> = everywhere.map(|grant| grant.privilege.as_str()).collect();
    let at = |pattern: &str| Level::Database { pattern: pattern.to_owned() };
    let acts = |privilege: &str| {
        everywhere.contains(privilege)
            || here.iter().any(|g| g.privilege == privilege && acting.map(at).as_ref() == Some(&g.level))
    };
    let lacking: Vec<&String> = wanted.iter().filter(|privilege| !acts(privilege)).collect();
    if lacking.is_empty() {
        return Ok(Vec::new());
    }
    if own.is_none() && patterns.len() > 1 {
        let named: Vec<_> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
        return Err(ActionError::untouched(format!(
            "{} holds privileges for {}, and only one of them acts on {database}",
            account.label(),
            named.join(" and ")
        ))
        .hint(format!("grant it what it needs on `{database}` by name, then try again")));
    }
    let grant =
        |privilege: &str| Grant { account: account.clone(), level: at(own.unwrap_or(&narrow)), privilege: privilege.to_owned() };
    let shadowed = here.iter().filter(|_| own.is_none()).map(|held| grant(&held.privilege));
    Ok(lacking.into_iter().map(|privilege| grant(privilege)).chain(shadowed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(held: &[(&str, &str)]) -> Grants {
        let account = Account::new("app", "%");
        let level = |place: &str| match place {
            "*" => Level::Global,
            pattern => Level::Database { pattern: pattern.to_owned() },
        };
        let one = |(place, privilege): &(&str, &str)| Grant {
            account: account.clone(),
            level: level(place),
            privilege: (*privilege).to_owned(),
        };
        Grants::of_all(held.iter().map(one).collect())
    }

    fn given(held: &[(&str, &str)], database: &str) -> Vec<String> {
        let wanted = ["INSERT", "UPDATE"].map(str::to_owned);
        let missing = missing_of(&grants(held), &Account::new("app", "%"), database, &wanted).expect("one place acts");
        super::super::grant::grants(&missing.into_iter().collect::<BTreeSet<_>>())
    }

    #[test]
    fn what_is_held_is_not_given_again() {
        assert_eq!(given(&[], "shop"), ["GRANT INSERT, UPDATE ON `shop`.* TO `app`@`%`"]);
        assert_eq!(given(&[("shop", "SELECT"), ("shop", "INSERT")], "shop"), ["GRANT UPDATE ON `shop`.* TO `app`@`%`"]);
        assert_eq!(given(&[("shop", "INSERT"), ("*", "UPDATE")], "shop"), Vec::<String>::new());
        assert_eq!(given(&[("sh%", "INSERT"), ("sh%", "UPDATE")], "shop"), Vec::<String>::new());
    }

    #[test]
    fn a_narrow_grant_gives_along_what_it_shadows() {
        let given = given(&[("sh%", "SELECT"), ("sh%", "INSERT")], "shop");
        assert_eq!(given, ["GRANT INSERT, SELECT, UPDATE ON `shop`.* TO `app`@`%`"]);
    }

    #[test]
    fn a_name_with_a_wildcard_in_it_means_itself() {
        assert_eq!(given(&[], "shop_a"), [r"GRANT INSERT, UPDATE ON `shop\_a`.* TO `app`@`%`"]);
        assert_eq!(given(&[("shop_a", "SELECT")], "shop_a"), ["GRANT INSERT, UPDATE ON `shop_a`.* TO `app`@`%`"]);
    }

    #[test]
    fn two_patterns_are_not_guessed_at() {
        let held = grants(&[("sh%", "INSERT"), ("%op", "UPDATE")]);
        let wanted = ["INSERT", "UPDATE"].map(str::to_owned);
        let error = missing_of(&held, &Account::new("app", "%"), "shop", &wanted).expect_err("nobody knows which acts");
        assert!(error.message.contains("`%op` and `sh%`"), "{error}");
    }
}
