//! DescribeAcls: key 29, versions 1–3. Flexible since 2.
//!
//! There is no authorizer: SECURITY_DISABLED, in Kafka's words.
//!
//! Where it differs from Kafka 4.3.1: a filter of type 0 is answered likewise (Kafka closes the connection).

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};

use crate::dispatch::Caller;
use crate::server::Broker;

/// Describes no ACLs.
pub(crate) fn handle<'a>(
    _broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    _request: DescribeAclsRequest<'_>,
) -> DescribeAclsResponse<'a> {
    DescribeAclsResponse {
        error_code: ErrorCode::SECURITY_DISABLED.code(),
        error_message: Some("No Authorizer is configured on the broker".into()),
        ..DescribeAclsResponse::default()
    }
}
