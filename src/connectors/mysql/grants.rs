//! Everybody's privileges, read from the grant tables. No column that holds a password or its hash is asked for.

use std::collections::BTreeSet;

use super::account::Account;
use super::grant::{GRANT_OPTION, Grant, Level};
use super::grant_tables::questions;
use super::session::{Dialect, Session, StatementError, text};
use crate::model::Object;

/// Everybody's privileges at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants {
    /// Accounts and roles.
    pub(super) accounts: Vec<Account>,
    /// What each holds directly.
    pub(super) all: BTreeSet<Grant>,
    /// Who holds which role.
    members: Vec<(Account, Account)>,
    /// Who may act as whom.
    pub(super) proxies: Vec<(Account, Account)>,
    /// Whether `%` and `_` in the name of a granted database are wildcards; not where MySQL has partial revokes.
    wildcards: bool,
}

impl Grants {
    /// Reads them.
    pub(super) async fn read(session: &mut Session) -> Result<Self, StatementError> {
        let answers = session.together(&questions(session.dialect())).await?;
        Self::of(session, answers).await
    }

    /// From the answers to [`questions`].
    pub(super) async fn of(session: &mut Session, answers: Vec<Vec<Object>>) -> Result<Self, StatementError> {
        let maria = session.dialect() == Dialect::MariaDb;
        let mut found = Self { wildcards: true, ..Self::default() };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let (users, members) = (next(), next());
        found.accounts = users
            .iter()
            .map(|row| Account { role: cell(row, "is_role") == "Y", ..Account::new(cell(row, "user"), cell(row, "host")) })
            .collect();
        found.take_global(&next());
        found.take_databases(&next());
        found.take_tables(&next());
        found.take_columns(&next());
        found.take_routines(&next());
        found.take_members(&members, maria);
        found.take_proxies(&next());
        if maria {
            found.read_global_of_roles(session).await?;
        } else {
            found.wildcards = next().is_empty();
            found.take_exceptions(&next());
            found.take_mandatory_roles(&next());
        }
        Ok(found)
    }

    /// As a server with wildcards in the names of granted databases would show these.
    #[cfg(test)]
    pub(super) fn of_all(all: BTreeSet<Grant>) -> Self {
        Self { all, wildcards: true, ..Self::default() }
    }

    fn add(&mut self, account: Account, level: Level, privilege: String) {
        self.all.insert(Grant { account, level, privilege });
    }

    /// Whose row it is: a name without a host is a role where there is such a role.
    fn owner(&self, row: &Object) -> Account {
        let account = Account::new(cell(row, "User"), cell(row, "Host"));
        let role = Account { role: true, ..account.clone() };
        if account.host.is_empty() && (self.accounts.contains(&role) || account.user == "PUBLIC") { role } else { account }
    }

    /// The schema's view of global privileges leaves roles out, so theirs come from the table.
    async fn read_global_of_roles(&mut self, session: &mut Session) -> Result<(), StatementError> {
        if !self.accounts.iter().any(|account| account.role) {
            return Ok(());
        }
        let columns = session
            .rows(
                "SELECT column_name AS name FROM information_schema.columns \
                 WHERE table_schema = 'mysql' AND table_name = 'user' AND column_name LIKE '%\\_priv'",
            )
            .await?;
        let columns: Vec<_> = columns.iter().map(|row| super::name::quoted(&cell(row, "name"))).collect();
        if columns.is_empty() {
            return Ok(());
        }
        let sql = format!("SELECT User, Host, {} FROM mysql.user WHERE is_role = 'Y'", columns.join(", "));
        for row in session.rows(&sql).await? {
            let account = Account { role: true, ..Account::new(cell(&row, "User"), "") };
            for privilege in granted(&row) {
                self.add(account.clone(), Level::Global, privilege);
            }
        }
        Ok(())
    }

    fn take_global(&mut self, rows: &[Object]) {
        for row in rows {
            let Some(account) = grantee(&cell(row, "GRANTEE")) else { continue };
            let privilege = cell(row, "PRIVILEGE_TYPE");
            if cell(row, "IS_GRANTABLE") == "YES" {
                self.add(account.clone(), Level::Global, GRANT_OPTION.to_owned());
            }
            if privilege != "USAGE" {
                self.add(account, Level::Global, privilege);
            }
        }
    }

    /// What MySQL's partial revokes take away from privileges that hold everywhere.
    fn take_exceptions(&mut self, rows: &[Object]) {
        for row in rows {
            self.add(self.owner(row), Level::Except { db: cell(row, "db") }, cell(row, "privilege"));
        }
    }

    fn take_databases(&mut self, rows: &[Object]) {
        for row in rows {
            let (account, pattern) = (self.owner(row), cell(row, "Db"));
            for privilege in granted(row) {
                self.add(account.clone(), Level::Database { pattern: pattern.clone() }, privilege);
            }
        }
    }

    fn take_tables(&mut self, rows: &[Object]) {
        for row in rows {
            let level = Level::Table { db: cell(row, "Db"), table: cell(row, "Table_name") };
            self.take_listed(row, &level, "Table_priv");
        }
    }

    fn take_columns(&mut self, rows: &[Object]) {
        for row in rows {
            let column = cell(row, "Column_name");
            let level = Level::Column { db: cell(row, "Db"), table: cell(row, "Table_name"), column };
            self.take_listed(row, &level, "Column_priv");
        }
    }

    fn take_routines(&mut self, rows: &[Object]) {
        for row in rows {
            let kind = cell(row, "Routine_type");
            let level = Level::Routine { db: cell(row, "Db"), name: cell(row, "Routine_name"), kind };
            self.take_listed(row, &level, "Proc_priv");
        }
    }

    fn take_listed(&mut self, row: &Object, level: &Level, column: &str) {
        let account = self.owner(row);
        for privilege in listed(row, column) {
            self.add(account.clone(), level.clone(), privilege);
        }
    }

    fn take_members(&mut self, rows: &[Object], maria: bool) {
        for row in rows {
            let role = Account { role: maria, ..Account::new(cell(row, "role"), cell(row, "role_host")) };
            self.members.push((self.owner(row), role));
        }
    }

    fn take_mandatory_roles(&mut self, rows: &[Object]) {
        let mandatory = rows.first().map(|row| cell(row, "roles")).unwrap_or_default();
        for role in named_roles(&mandatory) {
            let members = self.accounts.iter().filter(|account| **account != role);
            self.members.extend(members.map(|account| (account.clone(), role.clone())));
        }
    }

    fn take_proxies(&mut self, rows: &[Object]) {
        for row in rows {
            let proxied = Account::new(cell(row, "Proxied_user"), cell(row, "Proxied_host"));
            self.proxies.push((self.owner(row), proxied));
        }
    }

    /// An account and everybody whose privileges it can use: its roles, theirs, and the public.
    pub(super) fn with_roles(&self, account: &Account) -> BTreeSet<Account> {
        let public = self.all.iter().map(|grant| &grant.account).find(|account| account.role && account.user == "PUBLIC");
        let mut found: BTreeSet<Account> = public.cloned().into_iter().chain([account.clone()]).collect();
        loop {
            let more: Vec<_> = self
                .members
                .iter()
                .filter(|(member, role)| found.contains(member) && !found.contains(role))
                .map(|(_, role)| role.clone())
                .collect();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    }

    /// The members of a role, one by one.
    pub(super) fn members<'a>(&'a self, role: &'a Account) -> impl Iterator<Item = &'a Account> {
        self.members.iter().filter(move |(_, held)| held == role).map(|(member, _)| member)
    }

    /// Everything that `account` can use, directly or through a role.
    pub(super) fn usable(&self, account: &Account) -> impl Iterator<Item = &Grant> {
        let holders = self.with_roles(account);
        self.all.iter().filter(move |grant| holders.contains(&grant.account))
    }

    /// Whether a privilege reaches into a database.
    pub(super) fn reaches(&self, grant: &Grant, database: &str) -> bool {
        match &grant.level {
            Level::Column { db, .. } | Level::Routine { db, .. } | Level::Table { db, .. } => db == database,
            Level::Database { pattern } if self.wildcards => like(pattern, database),
            Level::Database { pattern } => pattern == database,
            Level::Except { .. } => false,
            Level::Global => {
                let level = Level::Except { db: database.to_owned() };
                !self.all.contains(&Grant { level, ..grant.clone() })
            }
        }
    }

    /// A database's name as a grant has to name it, so that it means this one alone.
    pub(super) fn name_as_pattern(&self, database: &str) -> String {
        if self.wildcards { database.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%") } else { database.to_owned() }
    }

    /// Whether an account can change something in one of the databases.
    pub(super) fn writes(&self, account: &Account, databases: &[String]) -> bool {
        self.usable(account).any(|grant| grant.is_write() && databases.iter().any(|db| self.reaches(grant, db)))
    }

    /// What the given accounts hold directly.
    pub(super) fn held_by(&self, accounts: &BTreeSet<Account>) -> BTreeSet<Grant> {
        self.all.iter().filter(|grant| accounts.contains(&grant.account)).cloned().collect()
    }

    /// The statements of `SHOW GRANTS`, without what a password is made of, sorted. It shows what the tables above do not:
    /// dynamic privileges, default roles, proxies.
    pub(super) async fn shown(session: &mut Session, account: &Account) -> Result<Vec<String>, StatementError> {
        let rows = match session.rows(&format!("SHOW GRANTS FOR {}", account.sql())).await {
            // The server keeps it and ignores it: its host is a name, and names are not resolved.
            Err(StatementError::Server { code: 1133 | 1141, .. }) => Vec::new(),
            rows => rows?,
        };
        let lines = rows.iter().filter_map(|row| row.keys().next().map(|column| cell(row, column)));
        let mut lines: Vec<String> = lines.map(|line| in_order(&without_secrets(&line))).collect();
        lines.sort_unstable();
        Ok(lines)
    }
}

/// The roles that everybody has, from the text of the variable: `` `auditor`@`%`, 'clerk' ``.
fn named_roles(listed: &str) -> impl Iterator<Item = Account> + '_ {
    let bare = |text: &str| text.trim().trim_matches(['`', '\'', '"']).to_owned();
    listed.split(',').filter(|name| !name.trim().is_empty()).map(move |name| match name.rsplit_once('@') {
        Some((user, host)) => Account::new(bare(user), bare(host)),
        None => Account::new(bare(name), "%"),
    })
}

fn cell(row: &Object, column: &str) -> String {
    text(row, column).unwrap_or_default()
}

/// `'user'@'host'`; neither is escaped in it.
fn grantee(text: &str) -> Option<Account> {
    let (user, host) = text.strip_prefix('\'')?.strip_suffix('\'')?.rsplit_once("'@'")?;
    Some(Account::new(user, host))
}

/// The privileges of a row with a column for each.
fn granted(row: &Object) -> impl Iterator<Item = String> + '_ {
    let yes = row.iter().filter(|(_, value)| value.as_str() == Some("Y"));
    yes.filter_map(|(column, _)| column.strip_suffix("_priv")).map(privilege)
}

/// The privileges of a column that is a set.
fn listed<'a>(row: &'a Object, column: &str) -> impl Iterator<Item = String> + 'a {
    let names = row.get(column).and_then(|value| value.as_str()).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty()).map(privilege)
}

/// The name of a privilege in a statement, from its name in a grant table.
fn privilege(name: &str) -> String {
    match name {
        "Grant" => GRANT_OPTION.to_owned(),
        "Create_tmp_table" => "CREATE TEMPORARY TABLES".to_owned(),
        "Delete versioning rows" => "DELETE HISTORY".to_owned(),
        "Show_db" => "SHOW DATABASES".to_owned(),
        "Repl_slave" => "REPLICATION SLAVE".to_owned(),
        "Repl_client" => "REPLICATION CLIENT".to_owned(),
        other => other.replace('_', " ").to_uppercase(),
    }
}

/// SQL's pattern: `%` any text, `_` any character, `\` takes the meaning away.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(rest.as_str(), &text[at..])),
        Some('_') => {
            let mut left = text.chars();
            left.next().is_some() && like(rest.as_str(), left.as_str())
        }
        Some(first) => {
            let wanted = if first == '\\' { rest.next().unwrap_or('\\') } else { first };
            let mut left = text.chars();
            left.next() == Some(wanted) && like(rest.as_str(), left.as_str())
        }
    }
}

/// A line of `SHOW GRANTS` without its `IDENTIFIED` part: hashes, keys, names of other services.
fn without_secrets(line: &str) -> String {
    let Some((head, tail)) = line.split_once(" IDENTIFIED ") else { return line.to_owned() };
    let unquoted: String = tail.split('\'').step_by(2).collect();
    let kept = [" REQUIRE ", " WITH "].iter().filter_map(|word| unquoted.find(word)).min();
    format!("{head}{}", kept.map_or("", |at| &unquoted[at..]))
}

/// The same line with the columns in its parentheses sorted: after a restart the server lists them in another order.
fn in_order(line: &str) -> String {
    let mut parts = line.split('(');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (columns, rest) = part.split_once(')').unwrap_or((part, ""));
        let mut columns: Vec<_> = columns.split(", ").collect();
        columns.sort_unstable();
        out.push_str(&format!("({}){rest}", columns.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Account, grantee, in_order, like, privilege, without_secrets};

    #[test]
    fn patterns_are_those_of_sql() {
        for (pattern, text, same) in [
            ("shop", "shop", true),
            ("sh%", "shop", true),
            ("sho_", "shop", true),
            (r"shop\_old", "shop_old", true),
            (r"shop\_old", "shopxold", false),
            ("shop_old", "shopxold", true),
            ("%", "", true),
            ("s", "shop", false),
        ] {
            assert_eq!(like(pattern, text), same, "{pattern} {text}");
        }
    }

    #[test]
    fn names_of_privileges_are_those_of_statements() {
        let found = ["Insert", "Create_tmp_table", "Delete versioning rows", "Create View", "Grant"].map(privilege);
        assert_eq!(found, ["INSERT", "CREATE TEMPORARY TABLES", "DELETE HISTORY", "CREATE VIEW", "GRANT OPTION"]);
        assert_eq!(grantee("'app'@'%'"), Some(Account::new("app", "%")));
        let roles: Vec<_> = super::named_roles("`auditor`@`10.%`, 'clerk'").collect();
        assert_eq!(roles, [Account::new("auditor", "10.%"), Account::new("clerk", "%")]);
    }

    #[test]
    fn the_order_of_columns_means_nothing() {
        let line = "GRANT INSERT (`b`, `a`), UPDATE (`c`) ON `s`.`t` TO `u`@`%`";
        assert_eq!(in_order(line), "GRANT INSERT (`a`, `b`), UPDATE (`c`) ON `s`.`t` TO `u`@`%`");
        assert_eq!(in_order("GRANT USAGE ON *.* TO `u`@`%`"), "GRANT USAGE ON *.* TO `u`@`%`");
    }

    #[test]
    fn what_a_password_is_made_of_is_left_out() {
        let line = "GRANT FILE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*B69' REQUIRE SSL WITH GRANT OPTION";
        assert_eq!(without_secrets(line), "GRANT FILE ON *.* TO `app`@`%` REQUIRE SSL WITH GRANT OPTION");
        let line = "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED VIA ed25519 USING 'x WITH y'";
        assert_eq!(without_secrets(line), "GRANT USAGE ON *.* TO `app`@`%`");
    }
}
