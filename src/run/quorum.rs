//! Whether enough different persons have approved.
//!
//! A quorum counts persons: somebody with two roles fills one place of one role, never two.

use crate::model::{Actor, RoleName};
use crate::plan::Approvers;

/// Whether `grants` fill every place that `approvers` asks for. Without a roster nobody has roles, and any local user fills
/// any place; so does a person of the role `any_place`.
pub(super) fn is_reached(approvers: &[Approvers], grants: &[Actor], has_roster: bool, any_place: Option<&RoleName>) -> bool {
    let places: Vec<&Approvers> = approvers.iter().flat_map(|a| std::iter::repeat_n(a, a.count as usize)).collect();
    let fits = |place: usize, grant: usize| {
        let roles = &grants[grant].roles;
        !has_roster || roles.contains(&places[place].role) || any_place.is_some_and(|role| roles.contains(role))
    };
    let mut taken: Vec<Option<usize>> = vec![None; grants.len()];
    (0..places.len()).all(|place| seat(place, &fits, &mut taken, &mut vec![false; grants.len()]))
}

/// Finds a person for a place, moving others to places that they fill as well.
fn seat(place: usize, fits: &impl Fn(usize, usize) -> bool, taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for grant in 0..taken.len() {
        if tried[grant] || !fits(place, grant) {
            continue;
        }
        tried[grant] = true;
        if taken[grant].is_none_or(|other| seat(other, fits, taken, tried)) {
            taken[grant] = Some(place);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PersonId;

    fn person(name: &str, roles: &[&str]) -> Actor {
        let roles = roles.iter().map(RoleName::new).collect();
        Actor { person: Some(PersonId::new(name)), roles, ..Actor::local(1, name) }
    }

    fn asks(places: &[(&str, u32)]) -> Vec<Approvers> {
        places.iter().map(|(role, count)| Approvers { role: RoleName::new(role), count: *count }).collect()
    }

    #[test]
    fn one_person_with_two_roles_fills_one_place() {
        let asks = asks(&[("dba", 1), ("commander", 1)]);
        let alice = person("alice", &["dba", "commander"]);
        assert!(!is_reached(&asks, std::slice::from_ref(&alice), true, None));
        assert!(is_reached(&asks, &[alice.clone(), person("bob", &["dba"])], true, None), "alice can move to the other place");
        assert!(!is_reached(&asks, &[alice, person("eve", &[])], true, None));
    }

    #[test]
    fn without_a_roster_persons_are_counted() {
        let asks = asks(&[("dba", 2)]);
        assert!(!is_reached(&asks, &[person("a", &[])], false, None));
        assert!(is_reached(&asks, &[person("a", &[]), person("b", &[])], false, None));
    }
}
