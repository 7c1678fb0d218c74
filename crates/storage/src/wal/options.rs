//! How large the write-ahead log's files and queues are.

/// Sizes and bounds of a WAL.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Bytes of a file. A frame that does not fit makes its file larger.
    pub file_bytes: u64,
    /// Recycled files kept for later; more are removed.
    pub files_free_max: usize,
    /// Above this many bytes of files, entries of quiet shards are copied out of the oldest file so that it can go. Entries
    /// that nobody releases still hold their files beyond it.
    pub kept_bytes_max: u64,
    /// A file with more bytes of needed entries than this is not copied forward.
    pub copied_bytes_max: u64,
    /// One write takes no more than this off the queue (a single larger frame is written alone).
    pub group_bytes_max: usize,
    /// Appends of entries are refused while this much waits to be written.
    pub queued_bytes_max: u64,
    /// Largest payload of an entry; at most 1 GiB.
    pub entry_bytes_max: u32,
    /// Part of every frame, so that nobody who only sends records can send one that looks like a frame; drawn when `None`.
    pub salt: Option<u32>,
    /// The mistake to make.
    #[cfg(feature = "planted")]
    pub planted: Option<Planted>,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            files_free_max: 2,
            kept_bytes_max: 1 << 30,
            copied_bytes_max: 4 << 20,
            group_bytes_max: 8 << 20,
            queued_bytes_max: 64 << 20,
            entry_bytes_max: 1 << 30,
            salt: None,
            #[cfg(feature = "planted")]
            planted: None,
        }
    }
}

/// Mistakes that the simulation must find; compiled only with the feature `planted`.
#[cfg(feature = "planted")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Tickets are answered before the write that covers their frames.
    ReplyBeforeSync,
    /// Tickets are answered as soon as the WAL thread sees them, groups before their own.
    AcknowledgedAtAppend,
    /// A frame of another generation is taken for one of this file.
    CrcWithoutGeneration,
    /// A frame's checksum does not say where it belongs.
    CrcWithoutPosition,
    /// A group of nothing but votes is written without a sync.
    VoteNotSynced,
    /// A group begins in the block where the last one ended.
    NoPad,
    /// A new file's name is left to chance.
    DirectoryNotSynced,
    /// Recovery reads truncate frames and does nothing.
    TruncateIgnored,
    /// A shard's release frees files that another shard still needs.
    ReleaseIgnoresOtherShards,
    /// Every invalid frame of the newest file is a torn tail.
    SyncedTailTakenAsTorn,
    /// What recovery read is not synced before it is acted on.
    RecoveredNotSynced,
    /// The floor passes a file before the copies of what it held are synced.
    FloorBeforeCopies,
    /// A new file opens without the shards' state.
    OpeningStateLeftOut,
    /// A failed sync is tried again, as if its success meant something.
    FailedSyncRetried,
}

#[cfg(feature = "planted")]
impl Planted {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ReplyBeforeSync,
        Self::AcknowledgedAtAppend,
        Self::CrcWithoutGeneration,
        Self::CrcWithoutPosition,
        Self::VoteNotSynced,
        Self::NoPad,
        Self::DirectoryNotSynced,
        Self::TruncateIgnored,
        Self::ReleaseIgnoresOtherShards,
        Self::SyncedTailTakenAsTorn,
        Self::RecoveredNotSynced,
        Self::FloorBeforeCopies,
        Self::OpeningStateLeftOut,
        Self::FailedSyncRetried,
    ];
}

/// True when the options ask for this mistake; `false` in every build without the feature `planted`.
macro_rules! planted {
    ($options:expr, $mistake:ident) => {{
        #[cfg(feature = "planted")]
        {
            $options.planted == Some($crate::wal::Planted::$mistake)
        }
        #[cfg(not(feature = "planted"))]
        {
            let _ = &$options;
            false
        }
    }};
}
pub(super) use planted;
