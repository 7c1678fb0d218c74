//! DescribeCluster: key 60, versions 0–2, flexible. What is asked for (brokers or controllers) since 1, fenced brokers since 2.
//!
//! There is one broker, never fenced, and it is its own controller, of which a client can't ask here, as in Kafka.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::metadata::CLUSTER_OPERATIONS;
use crate::dispatch::Caller;
use crate::server::Broker;

/// What an endpoint is, by Kafka's numbers.
const BROKER: i8 = 1;
const CONTROLLER: i8 = 2;

/// Describes the cluster.
pub(crate) fn handle<'a>(
    broker: &Rc<Broker>,
    caller: &Caller<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse<'a> {
    if let Err((error, message)) = check_endpoint(request.endpoint_type) {
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(message.into()),
            ..DescribeClusterResponse::default()
        };
    }
    let node_id = broker.node().broker_id();
    let (host, port) = caller.connection.advertised.clone();
    let this = DescribeClusterBroker {
        broker_id: node_id,
        host: host.into(),
        port: port.into(),
        rack: broker.rack(),
        ..DescribeClusterBroker::default()
    };
    DescribeClusterResponse {
        cluster_id: broker.node().cluster_id().to_owned().into(),
        controller_id: node_id,
        brokers: vec![this].into(),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..DescribeClusterResponse::default()
    }
}

fn check_endpoint(endpoint_type: i8) -> Result<(), (ErrorCode, String)> {
    match endpoint_type {
        BROKER => Ok(()),
        CONTROLLER => {
            let message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            Err((ErrorCode::MISMATCHED_ENDPOINT_TYPE, message.to_owned()))
        }
        other => Err((ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, format!("Unsupported endpoint type {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_described_to_those_who_ask_for_brokers() {
        // A tool that was pointed at the wrong port learns that it was. Tried against a running Kafka 4.3.1.
        let code = |endpoint_type| check_endpoint(endpoint_type).err().map(|(error, _)| error);
        assert_eq!(code(BROKER), None);
        assert_eq!(code(CONTROLLER), Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE));
        for unknown in [0, 3, -1] {
            assert_eq!(code(unknown), Some(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE));
        }
    }
}
