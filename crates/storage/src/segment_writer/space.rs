//! Whether the file system still has the space that is to stay free.
//!
//! Looked at by the segment writer after it has written, some times a second at the most, and while there is too little:
//! nothing looks while nothing is written. Who can't be asked is believed to have enough: the disk itself has the last word.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use env::Instant;
use env::disk::{Disk, DiskError};

/// How often it is looked at while something is written.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often while there is too little.
const LOOK_EVERY_SHORT: Duration = Duration::from_secs(1);
/// The bound where the operator leaves it to us: a share of the file system, at most this much.
const FREE_BYTES_MIN_AUTO: u64 = 1 << 30;
const FREE_SHARE_AUTO: u64 = 20;
/// Writes go on when there is so much more than the bound, as a share of it: otherwise they would stop and go.
const MORE_SHARE: u64 = 10;

/// Why there is too little space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Less is free than is to stay free.
    BelowMin {
        /// What is free.
        free_bytes: u64,
        /// What is to stay free.
        free_bytes_min: u64,
    },
    /// A write found none.
    Full(String),
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowMin { free_bytes, free_bytes_min } => {
                write!(f, "{free_bytes} bytes of the disk are free, {free_bytes_min} are to stay free")
            }
            Self::Full(error) => f.write_str(error),
        }
    }
}

/// The space has become too little, or enough again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpaceNews {
    /// Nothing more should be accepted.
    Short(Shortage),
    /// There is enough again.
    Enough {
        /// What is free.
        free_bytes: u64,
    },
}

/// See the module's head.
pub(super) struct SpaceWatch {
    dir: PathBuf,
    free_bytes_min: u64,
    is_short: bool,
    looked_at: Option<Instant>,
    has_written: bool,
}

impl SpaceWatch {
    /// `free_bytes_min` is what is to stay free; `None`: a twentieth of the file system, at most 1 GiB.
    pub(super) fn new(disk: &dyn Disk, dir: PathBuf, free_bytes_min: Option<u64>) -> Result<Self, DiskError> {
        let free_bytes_min = match free_bytes_min {
            Some(bytes) => bytes,
            None => (disk.space(&dir)?.total_bytes / FREE_SHARE_AUTO).min(FREE_BYTES_MIN_AUTO),
        };
        Ok(Self { dir, free_bytes_min, is_short: false, looked_at: None, has_written: false })
    }

    pub(super) fn free_bytes_min(&self) -> u64 {
        self.free_bytes_min
    }

    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    /// Something was written.
    pub(super) fn wrote(&mut self) {
        self.has_written = true;
    }

    /// After a step; `full` is the error of one that found no space.
    pub(super) fn look(
        &mut self,
        disk: &dyn Disk,
        now: Instant,
        full: Option<&dyn fmt::Display>,
    ) -> Option<SpaceNews> {
        if let Some(full) = full {
            let was_short = std::mem::replace(&mut self.is_short, true);
            return (!was_short).then(|| SpaceNews::Short(Shortage::Full(full.to_string())));
        }
        let is_due = match self.looked_at {
            None => true,
            Some(looked_at) => (self.is_short || self.has_written) && now.since(looked_at) >= LOOK_EVERY,
        };
        if !is_due {
            return None;
        }
        self.looked_at = Some(now);
        self.has_written = false;
        let free_bytes = disk.space(&self.dir).map_or(u64::MAX, |space| space.free_bytes);
        let wanted = match self.is_short {
            true => self.free_bytes_min + self.free_bytes_min / MORE_SHARE,
            false => self.free_bytes_min,
        };
        let is_short = free_bytes < wanted;
        let was_short = std::mem::replace(&mut self.is_short, is_short);
        match (was_short, is_short) {
            (false, true) => {
                let free_bytes_min = self.free_bytes_min;
                Some(SpaceNews::Short(Shortage::BelowMin { free_bytes, free_bytes_min }))
            }
            (true, false) => Some(SpaceNews::Enough { free_bytes }),
            _ => None,
        }
    }

    /// When to look again though nothing is written.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        self.is_short.then(|| now + LOOK_EVERY_SHORT)
    }
}
