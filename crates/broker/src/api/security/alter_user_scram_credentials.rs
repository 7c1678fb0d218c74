//! AlterUserScramCredentials: key 51, version 0. Gives users SCRAM credentials and takes them away.
//!
//! The client sends the salted password; what is kept is derived from it (RFC 5802), and nobody logs in with it yet. As in Kafka: a user
//! may be named once in a request; one that is refused hinders no other one; what is not refused is changed whole or not at all
//! (ADR 16), `CHANGES_MAX` credentials at the most.
//!
//! Where it differs from Kafka 4.3.1: order of the users; of more than `NAMED_MAX` deletions or upsertions the rest is not answered.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::metadata::{ScramCredential, ScramMechanism};
use cluster::node::ScramAlteration;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};
use wire::error::ErrorCode;
use wire::message::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AlterUserScramCredentialsResult,
    ScramCredentialDeletion, ScramCredentialUpsertion,
};

use crate::api::{CHANGES_MAX, NAMED_MAX};
use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// Kafka's bounds.
const ITERATIONS_MIN: i32 = 4096;
const ITERATIONS_MAX: i32 = 16384;

const TWICE: &str = "A user credential cannot be altered twice in the same request";

/// Why a user is refused; Kafka has no text for what it did not expect.
type Refusal = (ErrorCode, Option<String>);

/// The credential of this mechanism becomes this one, or goes.
type Alteration = (ScramMechanism, Option<ScramCredential>);

/// By user what is to be done.
#[derive(Default)]
struct Alterations(BTreeMap<String, Result<Alteration, Refusal>>);

impl Alterations {
    /// What is refused stays so; of a user that has passed nothing more may be asked.
    fn add(&mut self, user: &str, check: impl FnOnce() -> Result<Alteration, Refusal>) {
        let verdict = match self.0.get(user) {
            Some(Err(_)) => return,
            Some(Ok(_)) => refused(ErrorCode::DUPLICATE_RESOURCE, TWICE),
            None => check(),
        };
        self.0.insert(user.to_owned(), verdict);
    }
}

/// Changes users' credentials.
pub(crate) async fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: AlterUserScramCredentialsRequest<'_>,
) -> AlterUserScramCredentialsResponse<'a> {
    let checked = alterations(broker, &request).0;
    let verdicts = alter(broker, checked).await;
    let results: Vec<_> = verdicts.into_iter().map(|(user, verdict)| answer(user, verdict)).collect();
    AlterUserScramCredentialsResponse { throttle_time_ms: 0, results: results.into() }
}

fn alterations(broker: &Broker, request: &AlterUserScramCredentialsRequest<'_>) -> Alterations {
    let image = broker.node().image();
    let is_there = |user: &str, mechanism| image.scram_credential(user, mechanism).is_some();
    let mut alterations = Alterations::default();
    for deletion in request.deletions.iter().take(NAMED_MAX) {
        alterations.add(&deletion.name, || check_deletion(&deletion, is_there));
    }
    for upsertion in request.upsertions.iter().take(NAMED_MAX) {
        alterations.add(&upsertion.name, || check_upsertion(&upsertion));
    }
    alterations
}

/// Changes all that passed the checks, or nothing; what came of each user.
async fn alter(
    broker: &Broker,
    checked: BTreeMap<String, Result<Alteration, Refusal>>,
) -> BTreeMap<String, Result<(), Refusal>> {
    let (mut verdicts, mut passed) = (BTreeMap::new(), Vec::new());
    for (user, check) in checked {
        let verdict = check.map(|(mechanism, credential)| {
            passed.push(ScramAlteration { user: user.clone(), mechanism, credential });
        });
        verdicts.insert(user, verdict);
    }
    match commit(broker, passed).await {
        Ok(gone_before) => verdicts.extend(gone_before.into_iter().map(|user| (user, not_there()))),
        Err(refusal) => verdicts.values_mut().for_each(|verdict| *verdict = Err(refusal.clone())),
    }
    verdicts
}

/// Those users whose credential was not there any more when it was to be deleted: another request was first.
async fn commit(broker: &Broker, alterations: Vec<ScramAlteration>) -> Result<Vec<String>, Refusal> {
    if alterations.len() > CHANGES_MAX {
        return Err((ErrorCode::UNKNOWN_SERVER_ERROR, None));
    }
    if alterations.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<_> = alterations.iter().map(|alteration| alteration.user.clone()).collect();
    let altered = broker.node().alter_scram(alterations).await;
    let altered = altered.map_err(|error| (error_map::propose(&error), Some(error.to_string())))?;
    Ok(users.into_iter().zip(altered).filter(|(_, is_altered)| !is_altered).map(|(user, _)| user).collect())
}

fn answer(user: String, verdict: Result<(), Refusal>) -> AlterUserScramCredentialsResult<'static> {
    let (error, message) = verdict.err().unwrap_or((ErrorCode::NONE, None));
    AlterUserScramCredentialsResult {
        user: user.into(),
        error_code: error.code(),
        error_message: message.map(Into::into),
    }
}

fn check_deletion(
    deletion: &ScramCredentialDeletion<'_>,
    is_there: impl Fn(&str, ScramMechanism) -> bool,
) -> Result<Alteration, Refusal> {
    let mechanism = check_user(&deletion.name, deletion.mechanism)?;
    match is_there(&deletion.name, mechanism) {
        true => Ok((mechanism, None)),
        false => not_there(),
    }
}

fn check_upsertion(upsertion: &ScramCredentialUpsertion<'_>) -> Result<Alteration, Refusal> {
    let mechanism = check_user(&upsertion.name, upsertion.mechanism)?;
    if upsertion.iterations < ITERATIONS_MIN {
        return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too few iterations");
    }
    if upsertion.iterations > ITERATIONS_MAX {
        return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too many iterations");
    }
    if upsertion.salted_password.is_empty() {
        return Err((ErrorCode::UNKNOWN_SERVER_ERROR, None));
    }
    Ok((mechanism, Some(credential(mechanism, upsertion))))
}

fn check_user(user: &str, mechanism: i8) -> Result<ScramMechanism, Refusal> {
    if user.is_empty() {
        return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
    }
    match ScramMechanism::of(mechanism) {
        Some(mechanism) => Ok(mechanism),
        None => refused(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism"),
    }
}

fn credential(mechanism: ScramMechanism, upsertion: &ScramCredentialUpsertion<'_>) -> ScramCredential {
    let password = &*upsertion.salted_password;
    let (stored_key, server_key) = match mechanism {
        ScramMechanism::Sha256 => keys::<Sha256, Hmac<Sha256>>(password),
        ScramMechanism::Sha512 => keys::<Sha512, Hmac<Sha512>>(password),
    };
    let salt = upsertion.salt.to_vec();
    ScramCredential { iterations: upsertion.iterations, salt, stored_key, server_key }
}

/// The stored key and the server's key (RFC 5802, section 3).
fn keys<H: Digest, M: Mac + KeyInit>(salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let key = |purpose: &[u8]| {
        let mac =
            <M as KeyInit>::new_from_slice(salted_password).expect("a key of HMAC may be of any length");
        mac.chain_update(purpose).finalize().into_bytes()
    };
    (H::digest(key(b"Client Key")).to_vec(), key(b"Server Key").to_vec())
}

fn not_there<T>() -> Result<T, Refusal> {
    refused(ErrorCode::RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist")
}

fn refused<T>(error: ErrorCode, text: &str) -> Result<T, Refusal> {
    Err((error, Some(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn upsertion(iterations: i32, password: &'static [u8]) -> ScramCredentialUpsertion<'static> {
        ScramCredentialUpsertion {
            name: "u".into(),
            mechanism: 1,
            iterations,
            salt: b"salt"[..].into(),
            salted_password: password.into(),
        }
    }

    fn of_user(checked: [Result<Alteration, Refusal>; 3]) -> Result<Alteration, Refusal> {
        let mut alterations = Alterations::default();
        checked.into_iter().for_each(|verdict| alterations.add("u", || verdict));
        alterations.0.remove("u").unwrap()
    }

    #[test]
    fn iterations_are_bounded_and_a_password_is_not_empty() {
        for (iterations, is_taken) in
            [(4095, false), (4096, true), (16384, true), (16385, false), (-1, false)]
        {
            assert_eq!(check_upsertion(&upsertion(iterations, b"p")).is_ok(), is_taken, "{iterations}");
        }
        let empty = check_upsertion(&upsertion(4096, b""));
        assert_eq!(empty, Err((ErrorCode::UNKNOWN_SERVER_ERROR, None)));
    }

    #[test]
    fn a_user_that_is_named_twice_is_not_changed_and_a_refusal_is_not_overruled() {
        // Could break: of two passwords for a user the wrong one holds.
        let taken = || Ok((ScramMechanism::Sha256, None));
        let twice = refused(ErrorCode::DUPLICATE_RESOURCE, TWICE);
        assert_eq!(of_user([taken(), taken(), taken()]), twice);
        let first = not_there();
        assert_eq!(of_user([first.clone(), taken(), taken()]), first);
    }

    #[test]
    fn keys_are_those_of_the_rfc() {
        // Made with another implementation (Python's hmac and hashlib) from the salted password "salted".
        let (stored, server) = keys::<Sha256, Hmac<Sha256>>(b"salted");
        assert_eq!(hex(&stored), "a4324f74d5b895be92062738ff8c57185f6bce711d2135ede0bb017b918e2b8a");
        assert_eq!(hex(&server), "fee09732de6d5652037b9271b281578b2e1e71fed665e97356c3125b6499cf5a");
        let (stored, server) = keys::<Sha512, Hmac<Sha512>>(b"salted");
        assert_eq!(
            hex(&stored),
            "f3d0ea46a8c05660a65636adbe1466153f5e2eafd1d2a0e5779eac1c60fc9dd9a4a62427bae6f7e3c6dfe4af8aa933643d83a81c7737394029a528ffef8e3f93"
        );
        assert_eq!(
            hex(&server),
            "f9273a3772446947d3e658189e3565acf7508817c05fa9319fc49d556aeb07078aba614bbcb0e158805b0be14d18649cb5099938af7292d6048258200e8d8383"
        );
    }
}
