//! From what a proven token says to a person who may come in.

use super::refusal::Refusal;
use crate::model::identity_provider::{EMAIL, Extent, IdentityProvider};
use crate::model::{Object, PersonId, Value};
use crate::web::access::May;

/// The longest name that is kept of somebody who is not let in.
const LONGEST_NAME: usize = 64;

/// Who somebody is, and what they may do.
///
/// # Errors
/// When the token does not say it, or the file names nobody like this.
pub fn recognise(provider: &IdentityProvider, claims: &Object) -> Result<(PersonId, May), Refusal> {
    let value = claims.get(&provider.claim).and_then(Value::as_str).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| Refusal::NoClaim(provider.claim.clone()))?;
    let name = || value.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect::<String>();
    if provider.claim == EMAIL && claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err(Refusal::EmailUnverified(name()));
    }
    if let Some(required) = &provider.require
        && !says(claims.get(&required.claim), &required.value)
    {
        return Err(Refusal::Requirement { name: name(), claim: required.claim.clone() });
    }
    let (person, admission) = provider.person(value).ok_or_else(|| Refusal::Stranger(name()))?;
    let may = match admission.may {
        Extent::View => May::View,
        Extent::Operate => May::Operate,
    };
    Ok((person.clone(), may))
}

/// Whether a claim is this text, or a list with it.
fn says(claim: Option<&Value>, wanted: &str) -> bool {
    match claim {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Array(items)) => items.iter().any(|item| item.as_str() == Some(wanted)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diagnostic::Source;
    use crate::runbook::parse_identity_provider;

    fn ask(lines: &str, claims: &Value) -> Result<(String, May), Refusal> {
        let head = "issuer: https://login.example\nname: Example\nclient_id: c\nclient_secret: { env: S }\naddress: https://night.example\n";
        let (provider, report) = parse_identity_provider(&Source::new("oidc.yaml", format!("{head}{lines}")));
        let provider = provider.unwrap_or_else(|| panic!("{:?}", report.sorted()));
        recognise(&provider, claims.as_object().expect("a map")).map(|(person, may)| (person.to_string(), may))
    }

    #[test]
    fn a_person_is_known_by_the_claim_alone() {
        let lines = "persons: { alice: { is: a-1 }, wall: { is: w-1, may: view } }";
        assert_eq!(ask(lines, &json!({ "sub": "a-1" })), Ok(("alice".to_owned(), May::Operate)));
        assert_eq!(ask(lines, &json!({ "sub": "w-1" })), Ok(("wall".to_owned(), May::View)));
        assert_eq!(ask(lines, &json!({ "sub": "A-1" })), Err(Refusal::Stranger("A-1".to_owned())));
        assert_eq!(ask(lines, &json!({ "sub": "alice", "email": "a-1" })), Err(Refusal::Stranger("alice".to_owned())));
        for none in [json!({}), json!({ "sub": "" }), json!({ "sub": 1 }), json!({ "sub": ["a-1"] })] {
            assert_eq!(ask(lines, &none), Err(Refusal::NoClaim("sub".to_owned())));
        }
    }

    #[test]
    fn an_address_counts_only_where_the_provider_vouches_for_it() {
        let lines = "claim: email\npersons: { alice: { is: alice@example.com } }";
        let with = |verified: Value| json!({ "sub": "1", "email": "Alice@Example.com", "email_verified": verified });
        assert_eq!(ask(lines, &with(json!(true))), Ok(("alice".to_owned(), May::Operate)));
        for no in [json!(false), json!(null), json!("true"), json!(1)] {
            assert_eq!(ask(lines, &with(no)), Err(Refusal::EmailUnverified("Alice@Example.com".to_owned())));
        }
    }

    #[test]
    fn what_is_required_is_a_text_or_an_item_of_a_list() {
        let lines = "require: { claim: groups, value: night }\npersons: { alice: { is: a } }";
        for good in [json!("night"), json!(["day", "night"])] {
            assert!(ask(lines, &json!({ "sub": "a", "groups": good })).is_ok());
        }
        for bad in [json!("nightly"), json!(["day"]), json!({ "night": true }), json!(null)] {
            assert!(matches!(ask(lines, &json!({ "sub": "a", "groups": bad })), Err(Refusal::Requirement { .. })));
        }
    }
}
