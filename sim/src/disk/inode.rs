//! A file's bytes: what is durable, what readers see, and what lies between.

use std::collections::BTreeSet;

use crate::dice::Dice;

/// What a disk writes whole, or so one hopes.
pub(super) const SECTOR: usize = 512;
/// What a file system writes whole, or so one hopes.
pub(super) const BLOCK: usize = 4096;

/// A file's bytes.
#[derive(Clone)]
pub(super) struct Inode {
    /// As on the medium.
    durable: Vec<u8>,
    /// As in the page cache.
    pub(super) current: Vec<u8>,
    /// Sectors of `current` that may still get to the medium. Others that differ never will: their sync failed.
    dirty: BTreeSet<usize>,
    /// The least length since it was durable: what the medium has behind it belongs to nobody.
    shortest: usize,
    /// The block that was being written, past the cache, when everything stopped.
    in_flight: Option<usize>,
    /// The two may differ although nothing is dirty.
    sync_has_failed: bool,
}

impl Default for Inode {
    fn default() -> Self {
        Self {
            durable: Vec::new(),
            current: Vec::new(),
            dirty: BTreeSet::new(),
            shortest: usize::MAX,
            in_flight: None,
            sync_has_failed: false,
        }
    }
}

impl Inode {
    /// Reads as one who asks the disk, not the cache: unwritten sectors are written first, lost ones are not seen.
    pub(super) fn read_direct(&self, buffer: &mut [u8], position: usize) {
        let end = position + buffer.len();
        buffer.fill(0);
        let stored = self.durable.len().min(self.shortest).min(end);
        if position < stored {
            buffer[..stored - position].copy_from_slice(&self.durable[position..stored]);
        }
        for sector in self.dirty.range(position / SECTOR..end.div_ceil(SECTOR)) {
            let from = (sector * SECTOR).max(position);
            let to = (sector * SECTOR + SECTOR).min(end);
            buffer[from - position..to - position].copy_from_slice(&self.current[from..to]);
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: usize) {
        let end = position + bytes.len();
        if self.current.len() < end {
            self.current.resize(end, 0);
        }
        self.current[position..end].copy_from_slice(bytes);
        self.dirty.extend(position / SECTOR..end.div_ceil(SECTOR));
    }

    /// Part of a write past the page cache, because everything stopped or failed meanwhile: whole sectors, and the block that
    /// was being written is anything.
    pub(super) fn write_interrupted(&mut self, bytes: &[u8], position: usize, dice: &mut Dice) {
        let reached = self.write_partly(bytes, position, dice);
        self.in_flight = Some((position + reached.min(bytes.len() - 1)) / BLOCK);
    }

    /// The same where no block of the medium is touched; how many bytes were reached.
    pub(super) fn write_partly(&mut self, bytes: &[u8], position: usize, dice: &mut Dice) -> usize {
        let reached = dice.index(bytes.len() / SECTOR + 1) * SECTOR;
        self.write(&bytes[..reached.min(bytes.len())], position);
        reached
    }

    /// Part of a write through the page cache: what was there is there, or what was written.
    pub(super) fn write_interrupted_cached(&mut self, bytes: &[u8], position: usize, dice: &mut Dice) {
        let reached = dice.index(bytes.len() + 1);
        self.write(&bytes[..reached], position);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        if len < self.current.len() {
            self.shortest = self.shortest.min(len);
            self.dirty.retain(|sector| sector * SECTOR < len);
        }
        self.current.resize(len, 0);
    }

    pub(super) fn sync(&mut self) {
        self.make_length_durable();
        for sector in std::mem::take(&mut self.dirty) {
            copy_sector(&self.current, &mut self.durable, sector);
        }
    }

    /// Makes one range durable, and the length.
    pub(super) fn sync_range(&mut self, position: usize, len: usize) {
        self.make_length_durable();
        for sector in position / SECTOR..(position + len).div_ceil(SECTOR) {
            copy_sector(&self.current, &mut self.durable, sector);
            self.dirty.remove(&sector);
        }
    }

    /// Some of it gets there; the rest is forgotten, though the cache shows it.
    pub(super) fn sync_failed(&mut self, dice: &mut Dice) {
        self.sync_has_failed = true;
        if dice.chance(50) {
            self.make_length_durable();
        }
        for sector in std::mem::take(&mut self.dirty) {
            if dice.chance(50) {
                copy_sector(&self.current, &mut self.durable, sector);
            }
        }
    }

    pub(super) fn forget_flight(&mut self) {
        self.in_flight = None;
    }

    /// Decides about every sector that was not synced.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) {
        let is_settled = self.dirty.is_empty()
            && self.shortest == usize::MAX
            && self.durable.len() == self.current.len()
            && self.in_flight.is_none()
            && !self.sync_has_failed;
        if is_settled {
            return;
        }
        self.lose_length(dice);
        let way = dice.below(5);
        let (pivot, keep_low) = (dice.index(self.current.len() / SECTOR + 1), dice.chance(70));
        let mut block_kept = (usize::MAX, false);
        for sector in std::mem::take(&mut self.dirty) {
            let kept = match way {
                0 => false,
                1 => true,
                2 => dice.chance(50),
                3 => {
                    let block = sector * SECTOR / BLOCK;
                    if block_kept.0 != block {
                        block_kept = (block, dice.chance(50));
                    }
                    block_kept.1
                }
                _ => (sector < pivot) == keep_low,
            };
            if kept {
                copy_sector(&self.current, &mut self.durable, sector);
            }
        }
        if let Some(block) = self.in_flight.take()
            && dice.chance(30)
        {
            let (begin, end) = (block * BLOCK, (block * BLOCK + BLOCK).min(self.durable.len()));
            if begin < end {
                let garbage = dice.bytes(end - begin);
                self.durable[begin..end].copy_from_slice(&garbage);
            }
        }
        self.shortest = usize::MAX;
        self.sync_has_failed = false;
        self.current.clone_from(&self.durable);
    }

    /// Changes bytes that had been stored.
    pub(super) fn rot(&mut self, position: usize, bytes: &[u8]) {
        for stored in [&mut self.durable, &mut self.current] {
            let end = (position + bytes.len()).min(stored.len());
            if position < end {
                stored[position..end].copy_from_slice(&bytes[..end - position]);
            }
        }
    }

    fn make_length_durable(&mut self) {
        self.durable.truncate(self.shortest);
        self.durable.resize(self.current.len(), 0);
        self.shortest = usize::MAX;
    }

    /// A length that was not synced may be the old one, the new one, or the least one between.
    fn lose_length(&mut self, dice: &mut Dice) {
        if self.durable.len() > self.shortest && dice.chance(50) {
            self.durable.truncate(self.shortest);
        }
        let grown = self.current.len() > self.durable.len();
        if grown && (dice.chance(50) || !self.dirty.is_empty() && dice.chance(80)) {
            self.durable.resize(self.current.len(), 0);
        }
    }
}

fn copy_sector(from: &[u8], to: &mut [u8], sector: usize) {
    let (begin, end) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(from.len()).min(to.len()));
    if begin < end {
        to[begin..end].copy_from_slice(&from[begin..end]);
    }
}
