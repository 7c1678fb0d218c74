//! CreateDelegationToken: key 38, versions 1–3. Flexible since 2, tokens for others since 3.
//!
//! Nobody has logged in: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as Kafka answers on a listener without logins, beside the
//! principal that the token would have been for.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};

use super::{NO_TIME, PRINCIPAL_NAME, PRINCIPAL_TYPE};
use crate::dispatch::Caller;
use crate::server::Broker;

/// Creates no token.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: CreateDelegationTokenRequest<'a>,
) -> CreateDelegationTokenResponse<'a> {
    let (principal_type, principal_name) = match request.owner_principal_name {
        Some(name) if !name.is_empty() => (request.owner_principal_type.unwrap_or_default(), name),
        _ => (PRINCIPAL_TYPE.into(), PRINCIPAL_NAME.into()),
    };
    CreateDelegationTokenResponse {
        error_code: ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code(),
        principal_type,
        principal_name,
        token_requester_principal_type: PRINCIPAL_TYPE.into(),
        token_requester_principal_name: PRINCIPAL_NAME.into(),
        issue_timestamp_ms: NO_TIME,
        expiry_timestamp_ms: NO_TIME,
        max_timestamp_ms: NO_TIME,
        ..CreateDelegationTokenResponse::default()
    }
}
