//! DescribeUserScramCredentials: key 50, version 0. Which mechanisms users have a credential of, and with how many iterations; no more.
//!
//! No users stand for all. A user that is named twice is DUPLICATE_RESOURCE, one without a credential RESOURCE_NOT_FOUND.
//!
//! Where it differs from Kafka 4.3.1: order of the users; of more than `NAMED_MAX` the rest is not answered.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::metadata::{Image, ScramMechanism};
use wire::error::ErrorCode;
use wire::message::describe_user_scram_credentials::{
    CredentialInfo, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
};

use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Describes users' credentials.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: DescribeUserScramCredentialsRequest<'_>,
) -> DescribeUserScramCredentialsResponse<'a> {
    let image = broker.node().image();
    // By user, how often it is asked for.
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for user in request.users.iter().flatten().take(NAMED_MAX) {
        *asked.entry(user.name.into_owned()).or_default() += 1;
    }
    if asked.is_empty() {
        asked.extend(image.scram_credentials().keys().map(|(user, _)| (user.clone(), 1)));
    }
    let results: Vec<_> = asked.into_iter().map(|(user, times)| described(&image, user, times > 1)).collect();
    DescribeUserScramCredentialsResponse {
        results: results.into(),
        ..DescribeUserScramCredentialsResponse::default()
    }
}

fn described(image: &Image, user: String, is_twice: bool) -> DescribeUserScramCredentialsResult<'static> {
    let info = |mechanism| {
        let iterations = image.scram_credential(&user, mechanism)?.iterations;
        Some(CredentialInfo { mechanism: mechanism as i8, iterations })
    };
    let infos: Vec<_> = ScramMechanism::ALL.into_iter().filter_map(info).collect();
    let refused = if is_twice {
        let text = "Cannot describe SCRAM credentials for the same user twice in a single request: ";
        Some((ErrorCode::DUPLICATE_RESOURCE, text))
    } else if infos.is_empty() {
        Some((ErrorCode::RESOURCE_NOT_FOUND, "Attempt to describe a user credential that does not exist: "))
    } else {
        None
    };
    let Some((error, text)) = refused else {
        return DescribeUserScramCredentialsResult {
            user: user.into(),
            credential_infos: infos.into(),
            ..DescribeUserScramCredentialsResult::default()
        };
    };
    DescribeUserScramCredentialsResult {
        error_code: error.code(),
        error_message: Some(format!("{text}{user}").into()),
        user: user.into(),
        ..DescribeUserScramCredentialsResult::default()
    }
}
