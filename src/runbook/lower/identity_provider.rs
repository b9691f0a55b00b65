//! The file of an identity provider: where it is, what the console is called there, and who of its people is which person.

use std::collections::BTreeMap;

use super::Lowering;
use super::block::Block;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{document as code, plan};
use crate::model::identity_provider::{Admission, Extent, IdentityProvider, Requirement, is_same, protected};
use crate::model::{PersonId, SecretRef};
use crate::runbook::Node;
use crate::runbook::document::Spanned;
use crate::runbook::shape::{Form, Key, Table};

/// The file of an identity provider: where people of the console sign in.
static IDENTITY_PROVIDER: Table = Table {
    what: "an identity provider",
    example: "{ issuer: https://login.example, name: Example, client_id: pointsman, … }",
    open: false,
    keys: &[
        Key::required("issuer", Form::Text, "its address, exactly as its `/.well-known/openid-configuration` says it"),
        Key::required("name", Form::Text, "what people call it; it stands on the button"),
        Key::required("client_id", Form::Text, "what the console is called there"),
        Key::required(
            "client_secret",
            Form::Any,
            "the place of the secret: `{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`",
        ),
        Key::required("address", Form::Text, "how browsers see the console; the provider sends them back there"),
        Key::optional("scopes", Form::Texts, "what is asked for besides `openid`"),
        Key::optional("claim", Form::Text, "the claim by which a person is known; `sub` where it is left out"),
        Key::optional("require", Form::Block(&REQUIREMENT), "what a token has to say besides"),
        Key::required("persons", Form::Blocks(&ADMISSION, 1), "who may come in, by the name that the roster uses"),
    ],
};

/// A claim that has to be there.
static REQUIREMENT: Table = Table {
    what: "a requirement",
    example: "{ claim: groups, value: night-watch }",
    open: false,
    keys: &[
        Key::required("claim", Form::Text, "the name of the claim"),
        Key::required("value", Form::Text, "its value, or one item of it where it is a list"),
    ],
};

/// A person who may come in through an identity provider.
static ADMISSION: Table = Table {
    what: "a person who signs in",
    example: "{ is: alice@example.com }",
    open: false,
    keys: &[
        Key::required("is", Form::Text, "the value of the claim that this person has"),
        Key::optional("may", Form::Word(EXTENTS), "how far this person may go; `operate` where it is left out"),
    ],
};

/// How far somebody may go at the console.
const EXTENTS: &[(&str, &str)] = &[("view", "look"), ("operate", "look and act")];

impl Lowering {
    pub(super) fn identity_provider(&mut self, root: &Node) -> Option<IdentityProvider> {
        let head = root.entries().and_then(|entries| entries.first()).map_or(root.span, |entry| entry.key.span);
        let block = self.block(root, &IDENTITY_PROVIDER, "the identity provider", head)?;
        let issuer = self.issuer(&block);
        let address = self.address(&block);
        let name = self.text(&block, "name");
        let client_id = self.text(&block, "client_id");
        let client_secret = self.client_secret(&block);
        let claim = self.text(&block, "claim").map_or_else(|| "sub".to_owned(), |claim| claim.value);
        let scopes = self.scopes(&block);
        let require = self.requirement(&block);
        let wants_requirement = block.get("require").is_some();
        let persons = self.admissions(&block, &claim);
        Some(IdentityProvider {
            issuer: self.keep(issuer)?,
            name: self.keep(name)?.value,
            client_id: self.keep(client_id)?.value,
            client_secret: self.keep(client_secret)?,
            address: self.keep(address)?,
            scopes,
            claim,
            require: if wants_requirement { Some(self.keep(require)?) } else { None },
            persons,
        })
    }

    fn issuer(&mut self, block: &Block<'_>) -> Option<String> {
        let issuer = self.text(block, "issuer")?;
        if protected(&issuer.value).is_none_or(|(_, path)| path.contains(['?', '#'])) {
            let message = format!("`{}` is no address of an identity provider", issuer.value);
            let help = "write its `issuer` as it stands in its `/.well-known/openid-configuration`: `https://login.example/realms/night`; \
                        `http` only for this host";
            self.error(code::ADDRESS, issuer.span, message, help);
            return None;
        }
        Some(issuer.value)
    }

    fn address(&mut self, block: &Block<'_>) -> Option<String> {
        let address = self.text(block, "address")?;
        let origin = protected(&address.value).filter(|(_, path)| matches!(*path, "" | "/")).map(|(origin, _)| origin);
        if origin.is_none() {
            let message = format!("`{}` is no address of a console", address.value);
            let help = "write how browsers see the console, without a path: `https://night.example`; `http` only for this host";
            self.error(code::ADDRESS, address.span, message, help);
        }
        origin.map(str::to_owned)
    }

    fn client_secret(&mut self, block: &Block<'_>) -> Option<SecretRef> {
        let node = &block.get("client_secret")?.value;
        if node.entries().is_none() {
            let help = "give its place: `{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`";
            self.error(
                plan::SECRET_WANTED,
                node.span,
                "`client_secret` is a secret, and a secret never stands in a file of ours",
                help,
            );
            return None;
        }
        match node.secret() {
            Ok(place) => Some(place),
            Err(problem) => {
                self.report.push(Diagnostic::error(plan::SECRET_WANTED, problem.span, problem.message));
                None
            }
        }
    }

    /// Words of a scope; `openid` is asked for in any case.
    fn scopes(&mut self, block: &Block<'_>) -> Vec<String> {
        let mut scopes = Vec::new();
        for scope in self.texts(block, "scopes") {
            if !scope.value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
                let message = format!("`{}` is no scope", scope.value);
                self.error(code::WORD, scope.span, message, "write one word an item, such as `[email, profile]`");
            } else if scope.value != "openid" {
                scopes.push(scope.value);
            }
        }
        scopes
    }

    fn requirement(&mut self, block: &Block<'_>) -> Option<Requirement> {
        let require = self.inner(block, "require", &REQUIREMENT)?;
        let (claim, value) = (self.text(&require, "claim"), self.text(&require, "value"));
        Some(Requirement { claim: claim?.value, value: value?.value })
    }

    fn admissions(&mut self, block: &Block<'_>, claim: &str) -> BTreeMap<PersonId, Admission> {
        let mut persons = BTreeMap::new();
        let mut seen: Vec<(Spanned<String>, String)> = Vec::new();
        for (id, node) in self.named(block, "persons", &ADMISSION) {
            let place = format!("the person `{}`", id.value);
            let Some(person) = self.block(node, &ADMISSION, &place, id.span) else { continue };
            let may = match self.word(&person, "may").map(|word| word.value) {
                Some("view") => Extent::View,
                _ => Extent::Operate,
            };
            let is = self.text(&person, "is");
            let Some(is) = self.keep(is) else { continue };
            if let Some((first, other)) = seen.iter().find(|(first, _)| is_same(claim, &first.value, &is.value)) {
                let message = format!("`{}` would be both `{other}` and `{}`", is.value, id.value);
                let error = Diagnostic::error(code::CLAIM_TWICE, is.span, message).also(first.span, "named here already");
                self.report.push(error.help("whoever signs in is one person: quorum counts persons"));
            }
            seen.push((is.clone(), id.value.clone()));
            persons.insert(PersonId::new(&id.value), Admission { is: is.value, may });
        }
        persons
    }
}
