//! Which files there are, and how much of each is still needed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// A file's generation: a sequence that only grows, above the salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Generation(pub(super) u64);

impl Generation {
    pub(super) fn new(sequence: u32, salt: u32) -> Self {
        Self(u64::from(sequence) << 32 | u64::from(salt))
    }

    pub(super) fn sequence(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("the upper half")
    }

    pub(super) fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{:016x}.wal", self.0))
    }

    /// The generation that a file name says, `None` for files that are not ours.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(".wal")?;
        let ours = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ours.then(|| u64::from_str_radix(digits, 16).ok().map(Self))?
    }
}

/// A file with frames that recovery would read.
#[derive(Clone, Debug)]
pub(super) struct LiveFile {
    pub(super) generation: Generation,
    /// Its length on disk.
    pub(super) bytes: u64,
    /// Entries in it that somebody needs, and their payload.
    pub(super) needed: u64,
    pub(super) needed_bytes: u64,
}

/// A file that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FreeFile {
    pub(super) generation: Generation,
    pub(super) bytes: u64,
}

/// The files in order of generation, the one written to last.
#[derive(Debug, Default)]
pub(super) struct LiveFiles {
    files: VecDeque<LiveFile>,
}

impl LiveFiles {
    pub(super) fn push(&mut self, generation: Generation, bytes: u64) {
        assert!(self.files.back().is_none_or(|last| last.generation < generation), "generations grow");
        self.files.push_back(LiveFile { generation, bytes, needed: 0, needed_bytes: 0 });
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LiveFile> {
        self.files.iter()
    }

    /// The file being written has grown.
    pub(super) fn resize_newest(&mut self, bytes: u64) {
        self.files.back_mut().expect("there is always the file being written").bytes = bytes;
    }

    pub(super) fn need(&mut self, sequence: u32, bytes: u32) {
        let file = self.find(sequence);
        file.needed += 1;
        file.needed_bytes += u64::from(bytes);
    }

    pub(super) fn release(&mut self, sequence: u32, bytes: u32) {
        let file = self.find(sequence);
        file.needed = file.needed.checked_sub(1).expect("an entry is released once");
        file.needed_bytes -= u64::from(bytes);
    }

    /// The oldest file that holds something needed; the newest always does.
    pub(super) fn floor(&self) -> Generation {
        let newest = self.files.back().expect("there is always the file being written");
        self.files.iter().find(|file| file.needed > 0).unwrap_or(newest).generation
    }

    /// Takes out the files below `floor`.
    pub(super) fn drain_below(&mut self, floor: Generation) -> impl Iterator<Item = FreeFile> + '_ {
        let count = self.files.partition_point(|file| file.generation < floor);
        self.files.drain(..count).map(|file| FreeFile { generation: file.generation, bytes: file.bytes })
    }

    /// The generation of the live file with this sequence.
    pub(super) fn generation(&self, sequence: u32) -> Option<Generation> {
        let at = self.files.partition_point(|file| file.generation.sequence() < sequence);
        self.files.get(at).map(|file| file.generation).filter(|generation| generation.sequence() == sequence)
    }

    fn find(&mut self, sequence: u32) -> &mut LiveFile {
        let at = self.files.partition_point(|file| file.generation.sequence() < sequence);
        let file = self.files.get_mut(at).expect("needed entries lie in live files");
        assert_eq!(file.generation.sequence(), sequence, "needed entries lie in live files");
        file
    }
}
