//! InitProducerId: key 22, versions 0–5. Flexible since 2; since 3 a producer may name the id that it had.
//!
//! Without a transactional id: an id that nobody had before, epoch 0. As in Kafka, an id that the producer had is checked to
//! come with an epoch and then not looked at.
//!
//! With a transactional id: NOT_COORDINATOR, as of a Kafka broker that does not coordinate it. The client looks for the
//! coordinator then, is told COORDINATOR_NOT_AVAILABLE, and its initTransactions ends with a time-out; it can't hang beyond
//! `max.block.ms`.

use std::rc::Rc;

use wire::error::ErrorCode;
use wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::dispatch::Caller;
use crate::error_map;
use crate::server::Broker;

/// "None", of ids and epochs alike.
const NONE: i64 = -1;

/// Gives out a producer id.
pub(crate) async fn handle(
    broker: &Rc<Broker>,
    _caller: &Caller<'_>,
    request: InitProducerIdRequest<'_>,
) -> InitProducerIdResponse {
    if let Err(error) = check(&request) {
        return refused(error);
    }
    match broker.node().next_producer_id().await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, ..InitProducerIdResponse::default() },
        Err(error) => refused(error_map::propose(&error)),
    }
}

fn check(request: &InitProducerIdRequest<'_>) -> Result<(), ErrorCode> {
    let has_id = request.producer_id != NONE;
    let has_epoch = i64::from(request.producer_epoch) != NONE;
    match request.transactional_id.as_deref() {
        _ if has_id != has_epoch => Err(ErrorCode::INVALID_REQUEST),
        None => Ok(()),
        Some("") => Err(ErrorCode::INVALID_REQUEST),
        Some(_) if request.transaction_timeout_ms <= 0 => Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT),
        Some(_) => Err(ErrorCode::NOT_COORDINATOR),
    }
}

fn refused(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code: error.code(),
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_with_its_epoch_or_not_at_all() {
        // Tried against a running Kafka 4.3.1.
        let request =
            |id: Option<&'static str>, producer_id, producer_epoch, timeout| InitProducerIdRequest {
                transactional_id: id.map(Into::into),
                transaction_timeout_ms: timeout,
                producer_id,
                producer_epoch,
                ..InitProducerIdRequest::default()
            };
        assert_eq!(check(&request(None, -1, -1, -5)), Ok(()));
        assert_eq!(check(&request(None, 5, 3, 1)), Ok(()));
        assert_eq!(check(&request(None, -4, -4, 1)), Ok(()));
        assert_eq!(check(&request(None, 5, -1, 1)), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(check(&request(None, -1, 3, 1)), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(check(&request(Some(""), -1, -1, 1)), Err(ErrorCode::INVALID_REQUEST));
        assert_eq!(check(&request(Some("t"), -1, -1, 0)), Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
        assert_eq!(check(&request(Some("t"), -1, -1, 1)), Err(ErrorCode::NOT_COORDINATOR));
    }
}
