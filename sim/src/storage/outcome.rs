//! What runs did, in numbers.

/// What a run did, for whoever wants to know that it was not idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lives begun.
    pub lives: u64,
    /// Entries appended.
    pub entries: u64,
    /// Frames acknowledged.
    pub acknowledged: u64,
    /// Batches appended to logs, replays not counted.
    pub batches: u64,
    /// Batches that producers were refused.
    pub refused: u64,
    /// Entries cut off again.
    pub truncated: u64,
    /// Entries that a start applied again, in part or not at all.
    pub replayed: u64,
    /// Works that the segment writer was given.
    pub works: u64,
    /// Shards reported as covered by a checkpoint.
    pub covered: u64,
    /// Reads compared.
    pub reads: u64,
    /// Steps that found no space.
    pub without_space: u64,
    /// WALs and segment writers that stopped at a failed write or sync.
    pub poisoned: u64,
    /// Changes to the disk.
    pub operations: u64,
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.entries += other.entries;
        self.acknowledged += other.acknowledged;
        self.batches += other.batches;
        self.refused += other.refused;
        self.truncated += other.truncated;
        self.replayed += other.replayed;
        self.works += other.works;
        self.covered += other.covered;
        self.reads += other.reads;
        self.without_space += other.without_space;
        self.poisoned += other.poisoned;
        self.operations += other.operations;
    }
}
