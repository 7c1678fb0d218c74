//! The engine's own entries and hard state in our bytes, so that the engine can change without touching the disk.
//!
//! ```text
//! membership = entry header | voters' sets u16 | set*        set = count u16 | node id u64 *
//! hard state = version u8 | has vote u8 | term u64 | node id u64 | is committed u8
//!              | membership's index + 1, 0 for none, u64 | its term u64 | voters' sets u16 | set*
//! ```

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use storage::wal::LogPosition;
use wire::primitive::{DecodeError, Reader, Writer};

use super::log_inner::HardState;
use super::log_store::log_id;
use super::types::{Entry, LogId, Membership, Proposal, RaftNodeId, StoredMembership, Vote};
use crate::shard::entry::{ENTRY_HEADER_BYTES, EntryKind, header, read_header};

const HARD_STATE_VERSION: i8 = 0;

/// What of `entry` goes into the WAL; its term and index stand in the frame.
pub(super) fn entry_bytes(entry: &Entry) -> Bytes {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.0.clone(),
        EntryPayload::Blank => header(EntryKind::Blank).into(),
        EntryPayload::Membership(membership) => {
            let mut out = header(EntryKind::Membership);
            write_membership(&mut Writer::new(&mut out), membership);
            out.into()
        }
    }
}

/// The entry that `bytes` are.
pub(super) fn read_entry(id: LogId, bytes: Bytes) -> io::Result<Entry> {
    let (kind, _) = read_header(&bytes).map_err(io::Error::other)?;
    let payload = match kind {
        EntryKind::Blank => EntryPayload::Blank,
        EntryKind::Membership => {
            let mut reader = Reader::new(&bytes[ENTRY_HEADER_BYTES..]);
            EntryPayload::Membership(read_membership(&mut reader).map_err(io::Error::other)?)
        }
        _ => EntryPayload::Normal(Proposal(bytes)),
    };
    Ok(Entry::new(id, payload))
}

/// The bytes of a vote frame.
pub(super) fn hard_state(state: &HardState) -> Bytes {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.int8(HARD_STATE_VERSION);
    writer.bool(state.vote.is_some());
    let vote = state.vote.unwrap_or_else(|| Vote::new(0, 0));
    write_u64(&mut writer, vote.leader_id.term);
    write_u64(&mut writer, vote.leader_id.voted_for);
    writer.bool(vote.committed);
    let set_by = state.membership.log_id();
    write_u64(&mut writer, set_by.as_ref().map_or(0, |id| id.index + 1));
    write_u64(&mut writer, set_by.as_ref().map_or(0, |id| *id.leader_id));
    write_membership(&mut writer, state.membership.membership());
    out.into()
}

/// The hard state that `bytes` are.
pub(super) fn read_hard_state(bytes: &[u8]) -> io::Result<HardState> {
    let mut reader = Reader::new(bytes);
    read_fields(&mut reader).map_err(io::Error::other)?.ok_or_else(|| {
        io::Error::other(format!("hard state of version {:?} is not known to this build", bytes.first()))
    })
}

fn read_fields(reader: &mut Reader<'_>) -> Result<Option<HardState>, DecodeError> {
    if reader.int8()? != HARD_STATE_VERSION {
        return Ok(None);
    }
    let has_vote = reader.bool()?;
    let (term, node) = (read_u64(reader)?, read_u64(reader)?);
    let vote = if reader.bool()? { Vote::new_committed(term, node) } else { Vote::new(term, node) };
    let (next_index, term) = (read_u64(reader)?, read_u64(reader)?);
    let set_by = next_index.checked_sub(1).map(|index| log_id(LogPosition { term, index }));
    let membership = StoredMembership::new(set_by, read_membership(reader)?);
    Ok(Some(HardState { vote: has_vote.then_some(vote), membership }))
}

fn write_membership(writer: &mut Writer<'_>, membership: &Membership) {
    let sets = membership.get_joint_config();
    writer.uint16(u16::try_from(sets.len()).expect("a joint configuration has two sets"));
    for set in sets {
        writer.uint16(u16::try_from(set.len()).expect("a shard has a handful of voters"));
        set.iter().for_each(|node| write_u64(writer, *node));
    }
}

fn read_membership(reader: &mut Reader<'_>) -> Result<Membership, DecodeError> {
    let mut sets: Vec<BTreeSet<RaftNodeId>> = Vec::new();
    for _ in 0..reader.uint16()? {
        let count = reader.uint16()?;
        sets.push((0..count).map(|_| read_u64(reader)).collect::<Result<_, _>>()?);
    }
    let nodes: BTreeSet<RaftNodeId> = sets.iter().flatten().copied().collect();
    Ok(Membership::new_with_defaults(sets, nodes))
}

fn write_u64(writer: &mut Writer<'_>, value: u64) {
    writer.int64(value.cast_signed());
}

fn read_u64(reader: &mut Reader<'_>) -> Result<u64, DecodeError> {
    Ok(reader.int64()?.cast_unsigned())
}
