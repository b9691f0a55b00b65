//! From an authenticated local user to a person of the roster.

use crate::model::{Actor, Authentication, PersonId, Roster};

/// Whom a local user says to be, where the roster gives one login name to several persons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// Whoever the roster says.
    Whoever,
    /// This person; the roster has to agree.
    Person(PersonId),
    /// Somebody who signed in at a console, which says so; the roster has to name the console's login.
    SignedIn(SignedIn),
}

/// Somebody who signed in at a console.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The person, as the console knows them.
    pub person: PersonId,
    /// How they signed in: `password`, or the address of an identity provider.
    pub how: String,
}

/// Why a local user is not taken for a person.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unrecognised {
    /// The roster has several persons for this login.
    #[error("the login {login} stands for several persons: say which with --by ({persons})")]
    Ambiguous {
        /// The login name.
        login: String,
        /// The persons, comma-separated.
        persons: String,
    },
    /// The roster does not give this login to that person.
    #[error("the roster does not give the login {login} to {person}")]
    NotThisPerson {
        /// The login name.
        login: String,
        /// The person.
        person: PersonId,
    },
    /// The roster does not believe this login about who signed in.
    #[error("{login} says that {person} signed in, and the roster names no such console: write `consoles: [{login}]` into it")]
    NotAConsole {
        /// The login name.
        login: String,
        /// Who is said to have signed in.
        person: PersonId,
    },
}

/// The principal behind a user id that the kernel vouches for. A login that the roster does not know is nobody's person.
///
/// # Errors
/// When the claim and the roster do not agree.
pub fn recognise(roster: Option<&Roster>, uid: u32, login: &str, claim: &Claim) -> Result<Actor, Unrecognised> {
    let stranger = Actor::local(uid, login);
    let known: Vec<&PersonId> = roster
        .iter()
        .flat_map(|roster| &roster.persons)
        .filter(|(_, person)| person.local_users.iter().any(|user| user == login))
        .map(|(id, _)| id)
        .collect();
    let person = match claim {
        Claim::SignedIn(signed_in) => return vouched(roster, uid, login, signed_in),
        Claim::Person(person) if known.contains(&person) => person,
        Claim::Person(person) => return Err(Unrecognised::NotThisPerson { login: login.to_owned(), person: person.clone() }),
        Claim::Whoever => match known.as_slice() {
            [] => return Ok(stranger),
            [person] => *person,
            several => {
                let persons = several.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Unrecognised::Ambiguous { login: login.to_owned(), persons });
            }
        },
    };
    let roles = roster.map(|roster| roster.roles_of(person)).unwrap_or_default();
    let by = Authentication::LocalUser { uid, login: login.to_owned() };
    Ok(Actor { person: Some(person.clone()), roles, deputy_for: None, by })
}

/// The principal that a console says has signed in there.
fn vouched(roster: Option<&Roster>, uid: u32, login: &str, signed_in: &SignedIn) -> Result<Actor, Unrecognised> {
    let SignedIn { person, how } = signed_in;
    let roster = roster.filter(|roster| roster.consoles.iter().any(|console| console == login));
    let roster = roster.ok_or_else(|| Unrecognised::NotAConsole { login: login.to_owned(), person: person.clone() })?;
    let known = roster.persons.contains_key(person).then(|| person.clone());
    let by = Authentication::Console { uid, login: login.to_owned(), user: person.to_string(), how: how.clone() };
    Ok(Actor { person: known, roles: roster.roles_of(person), deputy_for: None, by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Person, RoleName};

    fn roster() -> Roster {
        let person = |login: &str, role: &str| Person {
            roles: vec![RoleName::new(role)],
            local_users: vec![login.to_owned()],
            ..Person::default()
        };
        let persons = [("alice", person("ops", "dba")), ("bob", person("ops", "commander")), ("carol", person("carol", "dba"))];
        Roster { persons: persons.into_iter().map(|(id, p)| (PersonId::new(id), p)).collect(), ..Roster::default() }
    }

    #[test]
    fn only_a_console_of_the_roster_is_believed_about_who_signed_in() {
        let mut roster = roster();
        let said = |person: &str| Claim::SignedIn(SignedIn { person: PersonId::new(person), how: "password".to_owned() });
        let ask = |roster: &Roster, login: &str, person: &str| recognise(Some(roster), 7, login, &said(person));
        assert!(matches!(ask(&roster, "web", "alice"), Err(Unrecognised::NotAConsole { .. })));
        roster.consoles.push("web".to_owned());
        let alice = ask(&roster, "web", "alice").expect("the console is believed");
        assert_eq!((alice.name(), alice.roles.as_slice()), ("alice", [RoleName::new("dba")].as_slice()));
        assert!(matches!(ask(&roster, "carol", "alice"), Err(Unrecognised::NotAConsole { .. })));
        let eve = ask(&roster, "web", "eve").expect("signed in, and nobody of the roster");
        assert_eq!((eve.person, eve.roles.len()), (None, 0));
        assert!(matches!(recognise(None, 7, "web", &said("alice")), Err(Unrecognised::NotAConsole { .. })));
    }

    #[test]
    fn a_claim_needs_the_roster() {
        let roster = roster();
        let ask = |login: &str, claim: Claim| recognise(Some(&roster), 7, login, &claim);
        assert_eq!(ask("carol", Claim::Whoever).expect("carol").name(), "carol");
        assert!(matches!(ask("ops", Claim::Whoever), Err(Unrecognised::Ambiguous { .. })));
        assert_eq!(ask("ops", Claim::Person(PersonId::new("bob"))).expect("bob").roles, [RoleName::new("commander")]);
        assert!(matches!(ask("carol", Claim::Person(PersonId::new("bob"))), Err(Unrecognised::NotThisPerson { .. })));
        assert_eq!(ask("eve", Claim::Whoever).expect("a stranger").person, None);
    }
}
