//! Deciding in the browser: what is decided is shown as the command line shows it, and the same statement is signed.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Json, Path, State};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use serde_json::json;

use super::orders::send;
use super::{blocking, parsed};
use crate::authority::passkey::{self, signer_line};
use crate::authority::signature::SshSignature;
use crate::authority::signers::Signers;
use crate::authority::{Claim, Decision, NAMESPACE, Signed, Statement};
use crate::engine::{Draft, last_approved, load, whoami};
use crate::model::id::is_name;
use crate::model::{Digest, PersonId, RoleName, Span, StepId, Value};
use crate::run::{Command, Instance, State as RunState};
use crate::views::{Line, decision};
use crate::web::access::{Visitor, Who};
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::problem::Problem;

/// How long a signature counts.
const VALID_FOR: &str = "1h";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deciding {
    decision: String,
    role: Option<String>,
    person: Option<String>,
    deputy_for: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submitted {
    statement: String,
    /// An armoured SSH signature, or
    signature: Option<String>,
    /// what a browser's passkey answered.
    assertion: Option<Answered>,
    /// What was typed: the name of the environment, at a protected gate.
    #[serde(default)]
    words: String,
    /// What the person says with it.
    #[serde(default)]
    note: String,
}

/// A browser's answer, as JSON: `PublicKeyCredential` with its bytes as base64url.
#[derive(Deserialize)]
struct Answered {
    response: AnsweredResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnsweredResponse {
    authenticator_data: String,
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPasskey {
    /// The person who is to sign with it.
    person: String,
    /// The public key as the browser gives it (SPKI in DER), as base64url.
    public_key: String,
}

/// Shows what is being decided at a step.
///
/// # Errors
/// When there is no such run or step.
pub async fn show(
    State(console): State<Arc<Console>>,
    Path((run, step)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let shown = blocking(move || {
        let home = &console.settings.home;
        let run = home.find(&run)?;
        let (state, records) = load(home, &run, None)?;
        let (step, i) = found(&state, &step)?;
        let mut lines = decision::text(&state, &records, &step, console.now());
        if !lines.is_empty() {
            let before = last_approved(home, &run, &state);
            lines.extend(decision::compared(&state, before.as_ref().map(|(run, before)| (run, before))));
        }
        let is_protected = state.planned(i).protected;
        Ok(json!({
            "run": run,
            "step": step,
            "lines": lines.iter().map(line).collect::<Vec<_>>(),
            "protected": is_protected,
            "signed": state.asks_for_signature(i),
            "can_sign": can_sign(&state),
            "roles": state.deciding_roles(i),
            "words": is_protected.then(|| state.plan().environment()),
        }))
    });
    Ok(Json(shown.await?))
}

/// Drafts the statement that the visitor is to sign.
///
/// # Errors
/// When nothing can be signed here, or not by this visitor.
pub async fn statement(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path((run, step)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let given: Deciding = parsed(body)?;
    let host = relying_party(&headers);
    let visitor = caller.visitor()?.clone();
    let unfit = |error: &dyn std::fmt::Display| Problem::unfit(error.to_string());
    let drafted = blocking(move || {
        let home = &console.settings.home;
        let run = home.find(&run)?;
        let (state, _) = load(home, &run, None)?;
        let (_, i) = found(&state, &step)?;
        let decision = Decision::parse(&given.decision);
        let decision = decision.ok_or_else(|| Problem::unfit(format!("`{}` is no decision", given.decision)))?;
        let draft = Draft {
            home,
            run: &run,
            state: &state,
            step: i,
            decision,
            person: person(&state, &visitor, given.person)?,
            role: given.role.map(RoleName::new),
            deputy_for: given.deputy_for.map(PersonId::new),
            valid_for: Span::parse(VALID_FOR).map_err(|error| unfit(&error))?,
        };
        let statement = draft.statement(console.now()).map_err(|error| unfit(&error))?;
        let text = statement.to_string();
        Ok(json!({
            "statement": text,
            "digest": Digest::of(text.as_bytes()),
            "approver": statement.approver,
            "words": state.planned(i).protected.then(|| state.plan().environment()),
            "sign_command": format!("ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 statement"),
            "passkeys": request_for(&state, &statement, &host),
        }))
    });
    Ok(Json(drafted.await?))
}

/// Submits a signed decision.
///
/// # Errors
/// When it is not about this step. What the run says to it is an answer and no error.
pub async fn signature(
    State(console): State<Arc<Console>>,
    Path((run, step)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let given: Submitted = parsed(body)?;
    let host = relying_party(&headers);
    let answered = blocking(move || {
        let home = &console.settings.home;
        let run = home.find(&run)?;
        let (state, _) = load(home, &run, None)?;
        let (step, i) = found(&state, &step)?;
        let statement = Statement::parse(&given.statement).map_err(|error| Problem::unfit(error.to_string()))?;
        if statement.gate != step {
            return Err(Problem::unfit(format!("the statement is about the step {}", statement.gate)));
        }
        let names = matches!(statement.decision, Decision::Approve | Decision::BreakGlass) && state.planned(i).protected;
        if names && given.words.trim() != state.plan().environment() {
            let wanted = state.plan().environment();
            return Err(Problem::unfit(format!("type `{wanted}`: the gate acts there. Nothing was decided")));
        }
        let signature = match (given.signature, given.assertion) {
            (Some(armour), None) => lines_ended(&armour),
            (None, Some(answered)) => by_passkey(&state, &statement, &host, &answered.response)?,
            (None, None) | (Some(_), Some(_)) => return Err(Problem::unfit("send `signature` or `assertion`")),
        };
        let signed = Signed { statement: given.statement, signature };
        send(home, &run, Command::submit(signed, given.note), &Claim::Whoever)
    });
    Ok(Json(answered.await?))
}

/// Makes the line of `allowed_signers` for a new passkey. Who looks after the roster adds it there, or does not.
///
/// # Errors
/// When the key is of a kind that is not taken.
pub async fn passkey(headers: HeaderMap, body: Result<Json<Value>, JsonRejection>) -> Result<Json<Value>, Problem> {
    let given: NewPasskey = parsed(body)?;
    if !is_name(&given.person) {
        return Err(Problem::unfit(format!("`{}` is no name of a person", given.person)));
    }
    let key = decoded(&given.public_key)?;
    let line = signer_line(&given.person, &relying_party(&headers), &key).map_err(|error| Problem::unfit(error.to_string()))?;
    Ok(Json(json!({ "line": line })))
}

/// The host that a browser knows us by: passkeys belong to it.
fn relying_party(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned()
}

/// What a browser is asked, where the approver has a passkey for this console.
fn request_for(state: &RunState, statement: &Statement, host: &str) -> Value {
    let has_one = signers(state).is_some_and(|signers| signers.passkeys(statement.approver.as_str(), host).next().is_some());
    if !has_one {
        return Value::Null;
    }
    let challenge = BASE64URL.encode(passkey::challenge(NAMESPACE, statement.to_string().as_bytes()));
    json!({ "publicKey": { "challenge": challenge, "rpId": host, "userVerification": "required", "timeout": 120_000, "allowCredentials": [] } })
}

/// The SSH signature that a passkey's answer is: by the one of the approver's passkeys that it fits.
fn by_passkey(state: &RunState, statement: &Statement, host: &str, answered: &AnsweredResponse) -> Result<String, Problem> {
    let assertion = passkey::Assertion {
        authenticator_data: decoded(&answered.authenticator_data)?,
        client_data: decoded(&answered.client_data)?,
        signature: decoded(&answered.signature)?,
    };
    let signers = signers(state).ok_or_else(|| Problem::unfit("the roster names no keys"))?;
    let text = statement.to_string();
    let fits = |armour: &String| SshSignature::parse(armour).is_ok_and(|s| s.check(NAMESPACE, text.as_bytes()).is_ok());
    let tried = signers.passkeys(statement.approver.as_str(), host).filter_map(|key| assertion.armoured(key, NAMESPACE).ok());
    let mut fitting = tried.filter(fits);
    let wrong = || Problem::unfit(format!("no passkey that the roster gives to {} signed this", statement.approver));
    fitting.next().ok_or_else(wrong)
}

fn signers(state: &RunState) -> Option<Signers> {
    let roster = state.plan().content().roster.as_ref()?;
    Signers::parse(&roster.allowed_signers.as_ref()?.text).ok()
}

fn decoded(text: &str) -> Result<Vec<u8>, Problem> {
    BASE64URL.decode(text).map_err(|_| Problem::unfit("a passkey's bytes are base64url without padding"))
}

/// The step of a run.
fn found(state: &RunState, step: &str) -> Result<(StepId, Instance), Problem> {
    let step = StepId::new(step);
    let i = state.find(&step).ok_or_else(|| Problem::not_found(format!("the plan has no step `{step}`")))?;
    Ok((step, i))
}

fn can_sign(state: &RunState) -> bool {
    state.plan().content().roster.as_ref().is_some_and(crate::model::Roster::has_signers)
}

/// Who signs: who signed in, else whom the roster knows by the login, else as given. The signature proves it in any case.
fn person(state: &RunState, visitor: &Visitor, given: Option<String>) -> Result<PersonId, Problem> {
    match (&visitor.who, given) {
        (Who::Person { person, .. }, None) => Ok(person.clone()),
        (Who::Person { person, .. }, Some(given)) if given != person.as_str() => {
            Err(Problem::forbidden(format!("{person} is signed in, and {given} is to sign")))
        }
        (_, Some(given)) => Ok(PersonId::new(given)),
        (Who::Starter { .. }, None) => {
            let roster = state.plan().content().roster.as_ref();
            let known = whoami(roster, &Claim::Whoever).ok().and_then(|actor| actor.person);
            known.ok_or_else(|| Problem::unfit("say which person of the roster you are: `person`"))
        }
    }
}

/// The armour as `ssh-keygen` writes it: a page may have lost the end of the last line, or doubled the ends of all.
fn lines_ended(armour: &str) -> String {
    format!("{}\n", armour.trim().replace("\r\n", "\n"))
}

/// A line with its tones.
fn line(line: &Line) -> Value {
    line.spans().iter().map(|span| json!({ "text": span.text, "tone": span.tone.word() })).collect()
}
