//! A Redis user as a node's ACL LIST shows it: what it may run, and the exact way back to that.
//!
//! A line holds password hashes. They never leave this file: what is kept, shown or compared is the line without them.

use redis::Value as Reply;

use super::reply;
use super::session::{Fault, Session};
use crate::connectors::ActionError;
use crate::connectors::pattern::Pattern;

/// One user of one node.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    /// Flags, keys and channels of the user itself, in their order.
    rest: Vec<String>,
    /// The hashes; compared before and after, and never shown.
    passwords: Vec<String>,
    /// The command rules of the user itself, beginning with `+@all` or `-@all`.
    commands: Vec<String>,
    /// Its selectors, each with its parentheses.
    selectors: Vec<String>,
}

/// What a user with access to ACL could use to thaw itself.
pub(super) const SELF_THAW: [&str; 4] = ["acl|setuser", "acl|deluser", "acl|load", "debug"];

impl Account {
    /// Reads a line of ACL LIST.
    fn parse(line: &str) -> Option<Self> {
        let mut words = split(line.strip_prefix("user ")?).into_iter();
        let mut account =
            Self { name: words.next()?, rest: Vec::new(), passwords: Vec::new(), commands: Vec::new(), selectors: Vec::new() };
        for word in words {
            match word.as_bytes().first() {
                Some(b'#') => account.passwords.push(word),
                Some(b'(') => account.selectors.push(word),
                Some(b'+' | b'-') => account.commands.push(word),
                _ => account.rest.push(word),
            }
        }
        Some(account)
    }

    /// What it may run, as rules for ACL SETUSER; this is what a freeze changes and a thaw restores.
    pub(super) fn rules(&self) -> String {
        [&self.commands[..], &self.selectors].concat().join(" ")
    }

    /// The whole line without password hashes.
    pub(super) fn shown(&self) -> String {
        let passwords = if self.passwords.is_empty() { String::new() } else { format!(" ({} passwords)", self.passwords.len()) };
        format!("user {} {}{passwords} {}", self.name, self.rest.join(" "), self.rules())
    }

    /// Whether it is switched on.
    pub(super) fn is_on(&self) -> bool {
        self.rest.iter().any(|word| word == "on")
    }

    /// Whether everything that a freeze has no business with is as it was: passwords, flags, keys, channels.
    pub(super) fn keeps(&self, before: &Self) -> bool {
        self.rest == before.rest && self.passwords == before.passwords
    }

    /// The patterns of keys that it may touch, of the user itself and of its selectors.
    pub(super) fn key_patterns(&self) -> Vec<String> {
        let own = self.rest.iter().cloned();
        let inner = self.selectors.iter().flat_map(|selector| split(selector.trim_matches(['(', ')'])));
        own.chain(inner).filter(|word| word.starts_with(['~', '%'])).collect()
    }

    /// The command that takes `denied` from it. Selectors stay, with the same rules behind them, because what they let the user
    /// read it must still read; and `clearselectors` comes first, because a selector cannot be changed in place.
    pub(super) fn deny(&self, denied: &[String]) -> Vec<String> {
        let refusals: Vec<String> = denied.iter().map(|what| format!("-{what}")).collect();
        let mut words = vec!["ACL".to_owned(), "SETUSER".to_owned(), self.name.clone()];
        words.extend(refusals.iter().cloned());
        words.push("clearselectors".to_owned());
        words.extend(self.selectors.iter().map(|selector| format!("{} {})", selector.trim_end_matches(')'), refusals.join(" "))));
        words
    }

    /// The command that gives it more; its selectors stay as they are.
    pub(super) fn allow(&self, allowed: &[String]) -> Vec<String> {
        let grants = allowed.iter().map(|what| format!("+{what}"));
        ["ACL", "SETUSER", &self.name].map(str::to_owned).into_iter().chain(grants).collect()
    }

    /// The command that gives it these rules and no others. `rules` begins with `+@all` or `-@all`, which forgets the present ones.
    pub(super) fn restore(name: &str, rules: &str) -> Vec<String> {
        let (selectors, commands): (Vec<_>, Vec<_>) = split(rules).into_iter().partition(|word| word.starts_with('('));
        let mut words = vec!["ACL".to_owned(), "SETUSER".to_owned(), name.to_owned()];
        words.extend(commands);
        words.push("clearselectors".to_owned());
        words.extend(selectors);
        words
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// Words, with a selector as one word. Neither names nor patterns can hold a space: Redis refuses them.
fn split(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for word in line.split_whitespace() {
        match words.last_mut() {
            Some(selector) if inside => {
                selector.push(' ');
                selector.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
        inside = (inside || word.starts_with('(')) && !word.ends_with(')');
    }
    words
}

/// Whether two texts of rules mean the same. Redis 7.0 writes single commands in the order of a hash table, which is another one
/// after a restart (measured); categories have an order that matters, and keep it.
pub(super) fn same_rules(one: &str, other: &str) -> bool {
    ordered(one) == ordered(other)
}

fn ordered(rules: &str) -> Vec<String> {
    let (mut fixed, mut single, mut selectors) = (Vec::new(), Vec::new(), Vec::new());
    for word in split(rules) {
        if let Some(inner) = word.strip_prefix('(') {
            selectors.push(format!("({})", ordered(inner.trim_end_matches(')')).join(" ")));
        } else if word.starts_with(['+', '-']) && !word[1..].starts_with('@') {
            single.push(word);
        } else {
            fixed.push(word);
        }
    }
    single.sort_unstable();
    fixed.into_iter().chain(single).chain(selectors).collect()
}

/// Every user of a node.
pub(super) async fn accounts(session: &mut Session) -> Result<Vec<Account>, ActionError> {
    let listed = session.ask(&["ACL", "LIST"]).await?;
    let found: Option<Vec<_>> = reply::texts(&listed).iter().map(|line| Account::parse(line)).collect();
    found.ok_or_else(|| ActionError::untouched(format!("{}: ACL LIST answered something unknown", session.address)))
}

/// Who Pointsman itself is on a node.
pub(super) async fn own_name(session: &mut Session) -> Result<String, Fault> {
    let answer: Reply = session.ask(&["ACL", "WHOAMI"]).await?;
    Ok(reply::text(&answer).unwrap_or_default())
}

/// Which users a step means.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) users: Vec<String>,
    pub(super) except: Vec<String>,
}

impl Chosen {
    /// Reads `users` and `except`.
    pub(super) fn of(params: &crate::model::Arguments) -> Result<Self, ActionError> {
        Ok(Self { users: params.texts("users")?, except: params.texts("except")? })
    }

    /// Whether `except` names it.
    pub(super) fn spares(&self, name: &str) -> bool {
        self.except.iter().any(|pattern| matches(pattern, name))
    }

    /// The users of a node that are meant. Pointsman's own is never among them: nobody could thaw it.
    pub(super) fn among(&self, accounts: &[Account], own: &str) -> Result<Vec<Account>, ActionError> {
        if self.users.iter().any(|name| name == own) {
            return Err(ActionError::untouched(format!(
                "`{own}` is the user that Pointsman itself uses; it could not thaw itself"
            )));
        }
        let meant = |account: &&Account| {
            account.name != own && !self.spares(&account.name) && self.users.iter().any(|pattern| matches(pattern, &account.name))
        };
        Ok(accounts.iter().filter(meant).cloned().collect())
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern == name || Pattern::new(pattern).is_ok_and(|pattern| pattern.means(name))
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn the_order_of_single_commands_means_nothing_and_that_of_categories_does() {
        let same = super::same_rules;
        assert!(same("-@all +get +set (~s:* -@all +a +b)", "-@all +set +get (~s:* -@all +b +a)"));
        assert!(!same("-@all +get +set", "-@all +get"));
        assert!(!same("+@all -@write +@read", "+@all +@read -@write"));
        assert!(!same("-@all (~s:* +get) (~t:* +get)", "-@all (~t:* +get) (~s:* +get)"));
    }

    const LINE: &str = "user app on #5b11 #77aa ~app:* %R~ro:* resetchannels &ch* -@all +@read +@write -flushall \
                        (~s:* resetchannels -@all +get) (~t:* resetchannels -@all +@write -del)";

    #[test]
    fn no_hash_is_in_what_is_kept_and_a_selector_keeps_its_rules() {
        let account = Account::parse(LINE).expect("a line");
        let rules = "-@all +@read +@write -flushall (~s:* resetchannels -@all +get) (~t:* resetchannels -@all +@write -del)";
        assert_eq!(account.rules(), rules);
        assert!(!account.shown().contains("5b11") && !format!("{account:?}").contains("77aa"));
        assert_eq!(Account::restore("app", rules)[3..8], ["-@all", "+@read", "+@write", "-flushall", "clearselectors"]);
        assert_eq!(Account::restore("app", rules)[9], "(~t:* resetchannels -@all +@write -del)");
        let deny = account.deny(&["@write".to_owned()]);
        assert_eq!(deny[3..6], ["-@write", "clearselectors", "(~s:* resetchannels -@all +get -@write)"]);
        assert_eq!(account.key_patterns(), ["~app:*", "%R~ro:*", "~s:*", "~t:*"]);
    }
}
