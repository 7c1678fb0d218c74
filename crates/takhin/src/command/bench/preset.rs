//! `takhin bench preset`: the benchmarks of docs/bench.md, one command each.
//!
//! Each run has a topic of its own, which is deleted after it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use client::{Acks, Client, NewTopic, Topic};
use env::disk::{Disk, DiskError, RealDisk};
use wire::record::Codec;

use super::{
    adaptive,
    args::{Preset, PresetArgs},
    library,
    load::{Length, Load},
    payload::Payload,
    produce,
    report::{self, Outcome},
    topic,
};
use crate::{command, output::Output};

/// Bytes of the values of `single` and `batched`.
const RECORD_BYTES: [u64; 3] = [100, 1 << 10, 10 << 10];
/// Records of the batches of `batched`.
const BATCHES: [u64; 3] = [10, 100, 1000];
/// Bytes of a record beside its value, and of its share of the batch's header, at most.
const RECORD_BYTES_AROUND: u64 = 80;
/// Every topic takes batches of so many bytes; for larger ones it has to be told.
const BATCH_BYTES_USUAL: u64 = 1_000_000;
/// Connections of `concurrent`.
const CONNECTIONS: [u64; 6] = [1, 2, 4, 8, 64, 256];

/// Runs `takhin bench preset`.
///
/// # Errors
/// What the broker says; that requests failed.
pub(crate) fn run(arguments: &PresetArgs) -> Result<()> {
    let length = Length {
        warm_up: Duration::from_secs_f64(arguments.warm_up),
        measured: Some(Duration::from_secs_f64(arguments.duration)),
        requests: None,
    };
    let output = Output::new(&arguments.output);
    match arguments.preset {
        Preset::Batcher => return report::print(&output, &library::batcher(&length)?),
        Preset::VersusSingle => return report::print(&output, &library::versus_single(arguments, &length)?),
        Preset::Adaptive => {
            let outcomes = adaptive::measure(arguments, &length)?;
            return report::print_with(&output, &outcomes, |out| adaptive::write_summary(out, &outcomes));
        }
        Preset::Single | Preset::Batched | Preset::Concurrent => {}
    }
    let mut client = command::client(&arguments.cluster);
    let mut outcomes = Vec::new();
    for (label, load) in loads(arguments.preset) {
        outcomes.push(in_its_own_topic(&mut client, load, &length, &label)?);
    }
    report::print(&output, &outcomes)
}

/// The runs of a preset, with their names.
fn loads(preset: Preset) -> Vec<(String, Load)> {
    let sizes = |batch: u64| {
        RECORD_BYTES.map(|bytes| (format!("{batch} x {bytes} B"), load(1, batch, bytes))).into_iter()
    };
    match preset {
        Preset::Single => sizes(1).collect(),
        Preset::Batched => BATCHES.into_iter().flat_map(sizes).collect(),
        Preset::Concurrent => {
            CONNECTIONS.map(|count| (format!("{count} connections"), load(count, 1, 100))).into()
        }
        // What needs no broker, or brokers of its own, has its loads elsewhere.
        Preset::Batcher | Preset::VersusSingle | Preset::Adaptive => Vec::new(),
    }
}

/// Each connection waits for its answer before it sends again.
pub(crate) fn load(connections: u64, batch: u64, record_bytes: u64) -> Load {
    Load {
        connections,
        in_flight: 1,
        batch,
        record_bytes,
        payload: Payload::Json,
        rate: None,
        acks: Acks::All,
        is_idempotent: false,
        codec: Codec::None,
    }
}

fn in_its_own_topic(client: &mut Client, load: Load, length: &Length, label: &str) -> Result<Outcome> {
    let batch_bytes = load.batch * (load.record_bytes + RECORD_BYTES_AROUND);
    let configs = match batch_bytes > BATCH_BYTES_USUAL {
        true => vec![("max.message.bytes".to_owned(), batch_bytes.to_string())],
        false => Vec::new(),
    };
    with_topic(client, 1, configs, |client, topic| produce::measure(client, topic, load, length, label))
}

/// Lends a new topic, and deletes it afterwards.
///
/// # Errors
/// What the broker says, or `work`.
pub(crate) fn with_topic<T>(
    client: &mut Client,
    partitions: u32,
    configs: Vec<(String, String)>,
    work: impl FnOnce(&mut Client, Topic) -> Result<T>,
) -> Result<T> {
    let name = format!("takhin-bench-{:016x}", produce::seed()?);
    let partitions = Some(i32::try_from(partitions)?);
    let new = NewTopic { name: name.clone(), partitions, replication_factor: None, configs };
    client.create_topic(&new)?;
    let worked = topic::find(client, &name, None).and_then(|topic| work(client, topic));
    // Also when the work failed; what that says comes first.
    let deleted = client.delete_topic(&name);
    let value = worked?;
    deleted?;
    Ok(value)
}

/// Lends a name for a directory of its own, and removes that afterwards.
///
/// # Errors
/// `work`, or the disk.
pub(super) fn with_work_dir<T>(arguments: &PresetArgs, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let dir = arguments.work_dir.join(format!("takhin-bench-{:016x}", produce::seed()?));
    let worked = work(&dir);
    // Also when the work failed; what that says comes first.
    let removed = remove_all(&RealDisk, &dir);
    let value = worked?;
    removed?;
    Ok(value)
}

/// Removes a directory and all that is in it; none is fine.
fn remove_all(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    let Ok(names) = disk.list(dir) else { return Ok(()) };
    for path in names.iter().map(|name| -> PathBuf { dir.join(name) }) {
        // What can't be removed as a file is a directory.
        if disk.remove(&path).is_err() {
            remove_all(disk, &path)?;
        }
    }
    disk.remove_dir(dir)
}
