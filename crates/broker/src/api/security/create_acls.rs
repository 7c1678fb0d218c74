//! CreateAcls: key 30, versions 1–3. Flexible since 2.
//!
//! There is no authorizer: each is SECURITY_DISABLED, in Kafka's words.
//!
//! Where it differs from Kafka 4.3.1: an ACL of type 0 is answered likewise (Kafka closes the connection); of more than `NAMED_MAX`
//! the rest is not answered.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};

use super::NO_AUTHORIZER;
use crate::api::NAMED_MAX;
use crate::dispatch::Caller;
use crate::server::Broker;

/// Creates no ACLs.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: CreateAclsRequest<'_>,
) -> CreateAclsResponse<'a> {
    let refused = AclCreationResult {
        error_code: ErrorCode::SECURITY_DISABLED.code(),
        error_message: Some(NO_AUTHORIZER.into()),
    };
    let results = vec![refused; request.creations.len().min(NAMED_MAX)];
    CreateAclsResponse { throttle_time_ms: 0, results: results.into() }
}
