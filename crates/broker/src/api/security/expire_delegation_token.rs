//! ExpireDelegationToken: key 40, versions 1–2. Flexible since 2.
//!
//! Nobody has logged in: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as Kafka answers on a listener without logins.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::NO_TIME;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Expires no token.
pub(crate) fn handle(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    _request: ExpireDelegationTokenRequest<'_>,
) -> ExpireDelegationTokenResponse {
    ExpireDelegationTokenResponse {
        error_code: ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code(),
        expiry_timestamp_ms: NO_TIME,
        ..ExpireDelegationTokenResponse::default()
    }
}
