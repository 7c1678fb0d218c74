//! What a file system has left, and how a file's bytes reach it.

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still use: what is kept for the administrator is not in it.
    pub free_bytes: u64,
    /// All there is, used or not.
    pub total_bytes: u64,
}

impl Space {
    /// Of a disk that never fills.
    pub const ENDLESS: Self = Self { free_bytes: u64::MAX, total_bytes: u64::MAX };
}

/// How a file's bytes are written, as far as its file system has let us: what a disk refuses shows at the first write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMode {
    /// Past the page cache (`O_DIRECT`).
    pub is_direct: bool,
    /// A durable write is one call (`RWF_DSYNC`), not a write and a sync.
    pub is_one_call: bool,
}

impl WriteMode {
    /// The fastest way there is.
    pub const BEST: Self = Self { is_direct: true, is_one_call: true };
}

impl Default for WriteMode {
    fn default() -> Self {
        Self::BEST
    }
}

impl std::fmt::Display for WriteMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_direct {
            "past the page cache (O_DIRECT)"
        } else {
            "through the page cache"
        })?;
        f.write_str(if self.is_one_call {
            ", each write durable by itself (RWF_DSYNC)"
        } else {
            ", each write followed by fdatasync"
        })
    }
}
