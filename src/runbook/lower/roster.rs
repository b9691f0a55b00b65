//! The roster file: persons, their roles, and how they are recognised.

use std::collections::{BTreeMap, HashMap};

use super::Lowering;
use super::block::Block;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::document as code;
use crate::model::{KeyFile, Person, PersonId, RoleName, Roster};
use crate::runbook::document::Spanned;
use crate::runbook::{Node, language};

impl Lowering {
    pub(super) fn roster(&mut self, root: &Node) -> Option<Roster> {
        let head = root.entries().and_then(|entries| entries.first()).map_or(root.span, |entry| entry.key.span);
        let block = self.block(root, &language::ROSTER, "the roster", head)?;
        let mut persons = BTreeMap::new();
        let mut logins = HashMap::new();
        let mut deputies_named = Vec::new();
        for (id, node) in self.named(&block, "persons", &language::PERSON) {
            let Some(person) = self.block(node, &language::PERSON, &format!("the person `{}`", id.value), id.span) else {
                continue;
            };
            let name = self.text(&person, "name");
            let roles = self.names(&person, "roles").into_iter().map(|role| RoleName::new(role.value)).collect();
            let local_users = self.texts(&person, "local_users");
            for login in &local_users {
                self.login(login, &id, &mut logins);
            }
            let keys = self.key_lines(&person);
            let emails = self.texts(&person, "emails").into_iter().map(|email| email.value).collect();
            let deputies = self.names(&person, "deputies");
            deputies_named.extend(deputies.iter().map(|deputy| (id.clone(), deputy.clone())));
            let deputies = deputies.into_iter().map(|deputy| PersonId::new(deputy.value)).collect();
            let Some(name) = self.keep(name) else { continue };
            let local_users = local_users.into_iter().map(|login| login.value).collect();
            persons.insert(PersonId::new(&id.value), Person { name: name.value, roles, local_users, keys, emails, deputies });
        }
        let file = |text: Option<Spanned<String>>| text.map(|path| KeyFile { path: path.value, text: String::new() });
        let allowed_signers = file(self.text(&block, "allowed_signers"));
        let revoked_keys = file(self.text(&block, "revoked_keys"));
        self.deputies(&deputies_named, &persons);
        let consoles = self.texts(&block, "consoles");
        for console in &consoles {
            // Whoever is a person and a console at once could say that anybody signed in.
            let itself = Spanned { value: "a console".to_owned(), span: console.span };
            self.login(console, &itself, &mut logins);
        }
        let consoles = consoles.into_iter().map(|login| login.value).collect();
        Some(Roster { persons, allowed_signers, revoked_keys, consoles, pinned: None })
    }

    /// A deputy is another person of the same roster.
    fn deputies(&mut self, named: &[(Spanned<String>, Spanned<String>)], persons: &BTreeMap<PersonId, Person>) {
        for (id, deputy) in named {
            if deputy.value == id.value || !persons.contains_key(deputy.value.as_str()) {
                let message = format!("`{}` cannot be the deputy of `{}`", deputy.value, id.value);
                self.error(code::DEPUTY, deputy.span, message, "name another person of this roster");
            }
        }
    }

    fn login(
        &mut self,
        login: &Spanned<String>,
        person: &Spanned<String>,
        logins: &mut HashMap<String, (String, crate::diagnostic::SourceSpan)>,
    ) {
        if let Some((other, span)) = logins.get(&login.value) {
            let message = format!("the local user `{}` would be both `{other}` and `{}`", login.value, person.value);
            let error = Diagnostic::error(code::LOCAL_USER_TWICE, login.span, message);
            self.report
                .push(error.also(*span, "named here already").help("a login belongs to one person: quorum counts persons"));
            return;
        }
        logins.insert(login.value.clone(), (person.value.clone(), login.span));
    }

    /// Key lines; one that OpenSSH would not read is reported.
    fn key_lines(&mut self, person: &Block<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.texts(person, "keys") {
            let mut words = line.value.split_whitespace();
            let (kind, data) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
            let fits = language::KEY_TYPES.contains(&kind) && data.starts_with("AAAA") && data.chars().all(is_base64);
            if fits && !line.value.trim().contains('\n') {
                lines.push(line.value.trim().to_owned());
            } else {
                let help = "write one line as in an `authorized_keys` file, without options: `ssh-ed25519 AAAA… alice@example`";
                self.error(code::KEY_LINE, line.span, "this is no public key", help);
            }
        }
        lines
    }
}
