//! An identity provider: where people of the console may sign in, and who of them is which person.

use std::collections::BTreeMap;

use super::{PersonId, SecretRef};

/// The claim whose values are addresses: it counts only where the provider says that the address is the person's own.
pub const EMAIL: &str = "email";

/// An identity provider, as its file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityProvider {
    /// Its address, exactly as it says it in its tokens.
    pub issuer: String,
    /// What people call it.
    pub name: String,
    /// What the console is called there.
    pub client_id: String,
    /// The place of what the console proves itself with.
    pub client_secret: SecretRef,
    /// The origin under which browsers see the console, and to which the provider sends them back.
    pub address: String,
    /// What is asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim by which a person is known.
    pub claim: String,
    /// What a token has to say besides.
    pub require: Option<Requirement>,
    /// Who may come in.
    pub persons: BTreeMap<PersonId, Admission>,
}

/// A claim that has to be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requirement {
    /// Its name.
    pub claim: String,
    /// Its value, or one item of it where it is a list.
    pub value: String,
}

/// One person who may come in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admission {
    /// The value of the claim that this person's tokens have.
    pub is: String,
    /// Whether this person only looks.
    pub may: Extent,
}

/// How far somebody may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Look.
    View,
    /// Look and act.
    Operate,
}

impl IdentityProvider {
    /// The person whose tokens have this value.
    pub fn person(&self, value: &str) -> Option<(&PersonId, &Admission)> {
        self.persons.iter().find(|(_, admission)| is_same(&self.claim, &admission.is, value))
    }
}

/// Whether two values of a claim mean one person. Addresses are the same in any case of their letters.
pub fn is_same(claim: &str, one: &str, other: &str) -> bool {
    if claim == EMAIL { one.eq_ignore_ascii_case(other) } else { one == other }
}

/// The parts of an `https` address that is sound, or of an `http` one that stays on this host: the part up to the path, and the rest.
pub fn protected(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    let is_sound = !host.is_empty() && !address.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@' || c == '\\');
    let is_protected = scheme == "https" || (scheme == "http" && is_loopback(host));
    (is_sound && is_protected).then(|| (&address[..address.len() - path.len()], path))
}

/// Whether a host is this one, by its name or number.
pub fn is_loopback(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<core::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::protected;

    #[test]
    fn an_address_is_protected_or_stays_here() {
        for good in ["https://login.example/realms/a", "https://login.example:8443", "http://127.0.0.1:80/", "http://[::1]:4/x"] {
            assert!(protected(good).is_some(), "{good}");
        }
        let bad =
            ["http://login.example", "http://localhost.evil.example", "https://", "ftp://a", "https://a@b", "login.example"];
        for bad in bad.into_iter().chain(["http://127.0.0.1.evil.example/", "https://a b", "https://a\\b"]) {
            assert!(protected(bad).is_none(), "{bad}");
        }
        assert_eq!(protected("https://a.example:1/b?c"), Some(("https://a.example:1", "/b?c")));
    }
}
