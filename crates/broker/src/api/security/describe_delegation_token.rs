//! DescribeDelegationToken: key 41, versions 1–3. Flexible since 2.
//!
//! Nobody has logged in: DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as Kafka answers on a listener without logins.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::describe_delegation_token::{
    DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
};

use crate::dispatch::Caller;
use crate::server::Broker;

/// Describes no tokens.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    _request: DescribeDelegationTokenRequest<'_>,
) -> DescribeDelegationTokenResponse<'a> {
    let error_code = ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.code();
    DescribeDelegationTokenResponse { error_code, ..DescribeDelegationTokenResponse::default() }
}
