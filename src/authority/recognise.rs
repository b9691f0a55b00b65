//! From an authenticated local user to a person of the roster.

use crate::model::{Actor, Authentication, PersonId, Roster};

/// Whom a local user says to be, where the roster gives one login name to several persons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Claim {
    /// Whoever the roster says.
    Whoever,
    /// This person; the roster has to agree.
    Person(PersonId),
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
    let roles = roster.and_then(|roster| roster.persons.get(person)).map(|p| p.roles.clone()).unwrap_or_default();
    let by = Authentication::LocalUser { uid, login: login.to_owned() };
    Ok(Actor { person: Some(person.clone()), roles, deputy_for: None, by })
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
