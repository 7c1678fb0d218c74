//! Leader epochs as consumers use them: is their metadata stale (KIP-320).

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
