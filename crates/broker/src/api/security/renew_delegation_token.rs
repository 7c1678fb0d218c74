//! RenewDelegationToken: key 39, versions 1–2. Flexible since 2.
//!
//! Nobody has logged in: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as Kafka answers on a listener without logins.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::NO_TIME;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Renews no token.
pub(crate) fn handle(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    _request: RenewDelegationTokenRequest<'_>,
) -> RenewDelegationTokenResponse {
    RenewDelegationTokenResponse {
        error_code: ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code(),
        expiry_timestamp_ms: NO_TIME,
        ..RenewDelegationTokenResponse::default()
    }
}
