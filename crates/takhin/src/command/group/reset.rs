//! `takhin group reset`: shown first, done when that is asked for.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, bail};
use client::{At, Client, Offsets, Partitions};
use env::disk::{Access, Caching, Disk, RealDisk};
use serde_json::{Value, json};
use wire::ErrorCode;

use super::{
    args::{ResetArgs, ResetTo, TopicPartitions},
    csv, offsets_of,
    plan::{Move, Now, Target, plan},
};
use crate::output::{self, Output, Table};

/// Largest file with offsets that is read: some million partitions.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// One partition of the plan.
struct Planned {
    topic: String,
    partition: i32,
    old: Option<i64>,
    moved: Move,
}

/// Prints what a reset changes, and does it where that was asked for.
///
/// # Errors
/// What a broker says; a group that has members; a file that can't be read; or that the result can't be printed.
pub(super) fn run(arguments: &ResetArgs) -> Result<()> {
    let mut client = super::super::client(&arguments.cluster);
    let given = arguments.to.from_file.as_deref().map(read).transpose()?;
    refuse_members(&mut client, &arguments.group)?;
    let committed = offsets_of(&mut client, &arguments.group)?;
    let partitions = chosen(&mut client, arguments, &committed, given.as_ref())?;
    let planned = planned(&mut client, arguments, &partitions, &committed, given.as_ref())?;
    if arguments.execute {
        let mut offsets = Offsets::new();
        for one in &planned {
            offsets.entry(one.topic.clone()).or_default().insert(one.partition, one.moved.to);
        }
        client.commit_group_offsets(&arguments.group, &offsets)?;
    }
    print(arguments, &planned)
}

/// Members would go on where they are, and commit over what is set here.
fn refuse_members(client: &mut Client, group: &str) -> Result<()> {
    let mut told = client.describe_groups(&BTreeSet::from([group.to_owned()]))?;
    let described = match told.remove(group) {
        Some(Err(e)) if e.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => return Ok(()),
        Some(told) => told?,
        None => bail!("nothing was said about group {group}"),
    };
    if described.state != "Empty" {
        let (count, state) = (described.members.len(), described.state);
        let s = if count == 1 { "" } else { "s" };
        bail!("group {group} has {count} member{s} ({state}): it can be reset once all have left");
    }
    Ok(())
}

/// The partitions that are meant.
fn chosen(
    client: &mut Client,
    arguments: &ResetArgs,
    committed: &Offsets,
    given: Option<&Offsets>,
) -> Result<Partitions> {
    let of_offsets = |offsets: &Offsets| {
        offsets.iter().map(|(topic, offsets)| (topic.clone(), offsets.keys().copied().collect())).collect()
    };
    let partitions: Partitions = match given {
        Some(given) => of_offsets(given),
        None if arguments.all_topics => of_offsets(committed),
        None => of_topics(client, &arguments.topic)?,
    };
    if partitions.is_empty() {
        bail!("group {}: there is no offset to reset", arguments.group);
    }
    Ok(partitions)
}

fn of_topics(client: &mut Client, topics: &[TopicPartitions]) -> Result<Partitions> {
    let mut partitions = Partitions::new();
    for TopicPartitions { topic, partitions: chosen } in topics {
        let known = client.topic(topic)?;
        let all: Vec<i32> = known.partitions.iter().map(|partition| partition.index).collect();
        let chosen = chosen.clone().unwrap_or_else(|| all.clone());
        if let Some(stray) = chosen.iter().find(|index| !all.contains(index)) {
            bail!("topic {topic} has partitions 0 to {}, not {stray}", all.len() - 1);
        }
        partitions.entry(topic.clone()).or_default().extend(chosen);
    }
    for indexes in partitions.values_mut() {
        indexes.sort_unstable();
        indexes.dedup();
    }
    Ok(partitions)
}

fn planned(
    client: &mut Client,
    arguments: &ResetArgs,
    partitions: &Partitions,
    committed: &Offsets,
    given: Option<&Offsets>,
) -> Result<Vec<Planned>> {
    let (firsts, ends) = (client.offsets(partitions, At::Earliest)?, client.offsets(partitions, At::Latest)?);
    let found = match arguments.to.to_time {
        Some(time) => client.offsets(partitions, At::Time(time))?,
        None => Offsets::new(),
    };
    let of = |offsets: &Offsets, topic: &str, index: i32| offsets.get(topic)?.get(&index).copied();
    let mut planned = Vec::new();
    for (topic, index) in flat(partitions) {
        let (Some(first), Some(end)) = (of(&firsts, topic, index), of(&ends, topic, index)) else {
            let gone = format!("partition {topic}-{index} is not there, or nobody leads it");
            // The group may have read topics that were deleted since; these don't stand in the others' way.
            if arguments.all_topics {
                output::complain(&format!("{gone}: left out"));
                continue;
            }
            bail!(gone);
        };
        let old = of(committed, topic, index);
        let given = given.and_then(|given| of(given, topic, index));
        let target = target(&arguments.to, given, of(&found, topic, index));
        let Some(moved) = plan(target, Now { committed: old, first, end }) else {
            bail!("group {} has no offset of partition {topic}-{index} to shift from", arguments.group);
        };
        planned.push(Planned { topic: topic.clone(), partition: index, old, moved });
    }
    Ok(planned)
}

fn flat(partitions: &Partitions) -> impl Iterator<Item = (&String, i32)> {
    partitions.iter().flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic, *index)))
}

/// What the command line says for a partition that the file has `given` and the time has `found`; one of its ways is set.
fn target(to: &ResetTo, given: Option<i64>, found: Option<i64>) -> Target {
    match (to.to_offset.or(given), to.shift_by) {
        (Some(offset), _) => Target::Offset(offset),
        (None, Some(records)) => Target::ShiftBy(records),
        (None, None) if to.to_earliest => Target::Earliest,
        (None, None) if to.to_latest => Target::Latest,
        (None, None) if to.to_current => Target::Current,
        (None, None) => Target::Found(found),
    }
}

fn print(arguments: &ResetArgs, planned: &[Planned]) -> Result<()> {
    let mut table = Table::new(&["TOPIC", "PARTITION", "OLD", "NEW", "NOTE"]);
    let mut partitions: Vec<Value> = Vec::new();
    for Planned { topic, partition, old, moved } in planned {
        partitions.push(json!({
            "topic": topic, "partition": partition, "oldOffset": old, "newOffset": moved.to, "note": moved.note
        }));
        table.row([
            topic.clone(),
            partition.to_string(),
            old.map_or("-".to_owned(), |old| old.to_string()),
            moved.to.to_string(),
            moved.note.unwrap_or_default().to_owned(),
        ]);
    }
    let json = json!({ "groupId": arguments.group, "executed": arguments.execute, "partitions": partitions });
    Output::new(&arguments.output).value(&json, |out| {
        table.write(out)?;
        let group = &arguments.group;
        match arguments.execute {
            true => writeln!(out, "group {group}: reset"),
            false => writeln!(out, "group {group}: nothing was changed, --execute does it"),
        }
    })?;
    Ok(())
}

fn read(path: &Path) -> Result<Offsets> {
    let file = RealDisk.open(path, Access::Read, Caching::Cached)?;
    let size = file.size()?;
    if size > FILE_BYTES_MAX {
        bail!("{}: a file of offsets has at most {FILE_BYTES_MAX} bytes", path.display());
    }
    let mut bytes = vec![0; usize::try_from(size)?];
    let len = file.read_at(&mut bytes, 0)?;
    bytes.truncate(len);
    let text = String::from_utf8(bytes).with_context(|| format!("{}: not UTF-8 text", path.display()))?;
    csv::read(&text).with_context(|| path.display().to_string())
}
