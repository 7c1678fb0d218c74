//! A life's orderly end: everything gets done, and then the disk holds just that.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use env::disk::Disk;

use super::act::{check_held, run_upkeep};
use super::life::{Life, PARTITIONS_DIR};
use super::model::{Log, Stored, hold};
use super::run::{Run, SHARDS, SPACE_BYTES, Shard};
use crate::records;

/// Rounds in which a node without faults gets everything done.
const ROUNDS_MAX: usize = 300;

impl Run {
    /// Without faults and with space everything is flushed, applied, stored, in a checkpoint and out of memory.
    pub(super) fn finish(&mut self, life: &mut Life) -> Result<(), String> {
        self.disk.set_space(SPACE_BYTES);
        self.settle(life)?;
        life.held.drain(..).try_for_each(|held| check_held(&held))?;
        self.check_all(life)?;
        hold!(life.pinned().bytes() == 0, "{} bytes stay pinned", life.pinned().bytes());
        Ok(())
    }

    fn settle(&mut self, life: &mut Life) -> Result<(), String> {
        // What is applied in one round is old enough to be cut in the next, and checkpointed in the one after it.
        let mut rounds_left = 3;
        for _ in 0..ROUNDS_MAX {
            life.wal.retry();
            for at in 0..SHARDS {
                if self.shards[at].history.is_behind() {
                    self.append(life, at)?;
                }
            }
            life.queue.submit();
            self.write_wal(life)?;
            run_upkeep(&self.disk, life);
            self.now = self.now + Duration::from_secs(3);
            for at in 0..SHARDS {
                let history = &mut self.shards[at].history;
                history.commit(history.flushed());
                self.apply_some(life, at)?;
                self.maintain(life, at);
            }
            self.step_store(life)?;
            let is_done = |shard: &Shard| {
                let history = &shard.history;
                history.is_quiet() && !history.is_behind() && history.applied == history.last()
            };
            let is_drained = life.store.is_idle() && life.pinned().bytes() == 0;
            rounds_left = if self.shards.iter().all(is_done) && is_drained { rounds_left - 1 } else { 3 };
            if rounds_left == 0 {
                return Ok(());
            }
        }
        let waiting: Vec<_> = self.shards.iter().map(|s| (s.history.applied, s.history.last())).collect();
        Err(format!(
            "never done: applied and last {waiting:?}, idle {}, pinned {}",
            life.store.is_idle(),
            life.pinned().bytes()
        ))
    }

    /// Everything is stored: the files are the batches that may be read, and what shares a segment with them.
    pub(super) fn check_files(&self) -> Result<(), String> {
        let mut files: BTreeMap<String, Vec<(i64, Vec<u8>)>> = BTreeMap::new();
        for (path, bytes) in self.disk.contents() {
            let Ok(name) = path.strip_prefix(PARTITIONS_DIR) else { continue };
            let name = name.to_str().expect("made of digits");
            if name.ends_with(".idx") {
                continue;
            }
            let parsed = name.strip_suffix(".log").and_then(|name| name.split_once('/'));
            let Some((dir, base)) = parsed else { return Err(format!("{name} is no segment")) };
            let base = base.parse().map_err(|_| format!("{name} is no segment"))?;
            files.entry(dir.to_owned()).or_default().push((base, bytes));
        }
        let mut dirs = self.disk.list(Path::new(PARTITIONS_DIR)).map_err(|error| error.to_string())?;
        for shard in &self.shards {
            for (partition, log) in &shard.model.logs {
                let topic: String = partition.topic_id.0.iter().map(|byte| format!("{byte:02x}")).collect();
                let dir = format!("{topic}-{}", partition.partition);
                dirs.retain(|known| *known != dir);
                let segments = files.remove(&dir).unwrap_or_default();
                check_segments(&segments, log).map_err(|broken| format!("{dir}: {broken}"))?;
            }
        }
        hold!(files.is_empty(), "files of nobody: {:?}", files.keys());
        hold!(dirs.is_empty(), "directories of nobody: {dirs:?}");
        Ok(())
    }
}

fn check_segments(segments: &[(i64, Vec<u8>)], log: &Log) -> Result<(), String> {
    let Some((first, _)) = segments.first() else {
        hold!(log.readable().is_empty(), "no file has its batches");
        return Ok(());
    };
    hold!(!log.readable().is_empty(), "there are files, though every record is deleted");
    let bases: Vec<i64> = segments.iter().map(|(base, _)| *base).collect();
    let is_late = bases.get(1).is_some_and(|second| *second <= log.log_start);
    hold!(!is_late, "segments {bases:?} stay below log start {}", log.log_start);
    let from = log.batches.partition_point(|batch| batch.base_offset < *first);
    let starts = log.batches.get(from).is_some_and(|batch| batch.base_offset == *first);
    let whole = log.readable().first().is_none_or(|batch| *first <= batch.base_offset);
    hold!(starts && whole, "segments {bases:?} do not begin where a batch does, before {}", log.log_start);
    let found: Vec<u8> = segments.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    if log.is_merged {
        let records = records::of_batches(&found).map_err(|error| format!("segments {bases:?}: {error}"))?;
        let last = records.last().map(|(offset, _)| *offset);
        hold!(last == Some(log.log_end - 1), "segments {bases:?} end with {last:?}, not {}", log.log_end - 1);
        return log.check_content(&records);
    }
    let expected: Vec<u8> =
        log.batches[from..].iter().flat_map(|batch: &Stored| batch.bytes.clone()).collect();
    let (has, should) = (found.len(), expected.len());
    hold!(
        found == expected,
        "segments {bases:?} have {has} bytes that are not the {should} of their batches"
    );
    Ok(())
}
