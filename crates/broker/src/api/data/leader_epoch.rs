//! Leader epochs as consumers use them: is their metadata stale, and does the log that they read still exist (KIP-320).

use storage::partition_log::LogReader;
use wire::error::ErrorCode;

/// What a request says that it does not know.
pub(super) const NO_EPOCH: i32 = -1;

/// Compares the leader epoch that a client knows with the one in force.
///
/// # Errors
/// FENCED_LEADER_EPOCH: the client's metadata is old. UNKNOWN_LEADER_EPOCH: ours is.
pub(super) fn check(known: i32, current: i32) -> Result<(), ErrorCode> {
    match known {
        NO_EPOCH => Ok(()),
        _ if known < current => Err(ErrorCode::FENCED_LEADER_EPOCH),
        _ if known > current => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        _ => Ok(()),
    }
}

/// Where a log's leader epoch `epoch` ended: the largest epoch up to it that wrote something, and the offset at which the
/// next one began; `None` for an epoch that is still to come.
///
/// The epoch in force begins at the log's end until it has written, as in Kafka, whose leaders note that when they begin.
pub(super) fn end_of(log: &LogReader, epoch: i32, current: i32) -> Option<(i32, i64)> {
    let log_end = log.offsets().high_watermark;
    match log.latest_epoch() {
        _ if epoch > current || epoch < 0 => None,
        _ if epoch == current => Some((epoch, log_end)),
        None => Some((epoch, log_end)),
        Some(latest) if epoch >= latest => Some((latest, log_end)),
        Some(_) => log.end_of_epoch(epoch),
    }
}
